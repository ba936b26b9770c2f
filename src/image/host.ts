import { readFile } from 'node:fs/promises';
import { arch, release, userInfo } from 'node:os';
import { TidepoolError } from '../domain/errors.ts';

/** What an image build needs to know of the machine that it runs on. */
export interface HostFacts {
  readonly distribution: Distribution;
  /** `x86_64` or `aarch64`. */
  readonly architecture: 'x86_64' | 'aarch64';
  readonly isRoot: boolean;
  /** Release of the host's kernel, e.g. `6.1.0-56-amd64`. */
  readonly kernelRelease: string;
}

/** From os-release: `debian`/`bookworm`, `ubuntu`/`noble`. */
export interface Distribution {
  readonly id: 'debian' | 'ubuntu';
  readonly codename: string;
}

/** Reads the facts. Error: `invalid` on a system that is neither Debian nor Ubuntu, or of an unknown processor. */
export async function readHostFacts(): Promise<HostFacts> {
  const machines: Readonly<Record<string, HostFacts['architecture']>> = { x64: 'x86_64', arm64: 'aarch64' };
  const architecture = machines[arch()];
  if (architecture === undefined) throw new TidepoolError('invalid', `images cannot be built on a ${arch()} processor`);
  return {
    distribution: parseOsRelease(await readFile('/etc/os-release', 'utf8')),
    architecture,
    isRoot: userInfo().uid === 0,
    kernelRelease: release(),
  };
}

/** The distribution named by an os-release file; derivatives count as what they are like (`ID_LIKE`). */
export function parseOsRelease(text: string): Distribution {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=["']?(.*?)["']?$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) values.set(match[1], match[2]);
  }
  const names = [values.get('ID') ?? '', ...(values.get('ID_LIKE') ?? '').split(' ')];
  const id = names.find((name) => name === 'debian' || name === 'ubuntu');
  const codename = (id === 'ubuntu' ? values.get('UBUNTU_CODENAME') : undefined) ?? values.get('VERSION_CODENAME');
  if (id === undefined || codename === undefined || codename === '') {
    throw new TidepoolError(
      'invalid',
      `images are built from Debian's or Ubuntu's packages, and this is '${names[0]}'`,
    );
  }
  return { id, codename };
}
