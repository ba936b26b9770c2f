import { type CpioEntry, cpioArchive } from './cpio.ts';

export interface InitrdParts {
  /** The static busybox of the guest's packages. */
  readonly busybox: Uint8Array;
  /** PID 1, a shell script. */
  readonly init: string;
  /** Modules in insertion order, decompressed. */
  readonly modules: readonly { readonly name: string; readonly content: Uint8Array }[];
}

/**
 * The initrd: busybox, one script and the few modules that reach the disk. Not compressed, because QEMU hands it
 * over at memory speed while an emulated CPU would have to unpack it.
 */
export function initrdArchive(parts: InitrdParts): Buffer {
  const entries: CpioEntry[] = [
    ...['bin', 'dev', 'modules', 'root', 'sys', 'proc'].map((path) => ({ kind: 'directory' as const, path })),
    { kind: 'file', path: 'bin/busybox', mode: 0o755, content: parts.busybox },
    { kind: 'link', path: 'bin/sh', target: 'busybox' },
    ...parts.modules.map(({ name, content }) => ({
      kind: 'file' as const,
      path: `modules/${name}.ko`,
      mode: 0o644,
      content,
    })),
    { kind: 'file', path: 'init', mode: 0o755, content: Buffer.from(parts.init) },
  ];
  return cpioArchive(entries);
}

/** Fills the list of modules into the init script's `@MODULES@`. */
export function fillModules(script: string, names: readonly string[]): string {
  return script.replace('@MODULES@', names.join(' '));
}
