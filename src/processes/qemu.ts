import { listProcesses, type Process } from './process-table.ts';

/** Returns the name of the machine that this process runs, from QEMU's own `-name guest=NAME,...`; undefined for other processes. */
export function machineOf({ words: [program = '', ...words] }: Process): string | undefined {
  if (!program.includes('qemu')) return undefined;
  return words.map((word) => /^guest=([^,]+),/.exec(word)?.[1]).find((name) => name !== undefined);
}

/** Returns the QEMU process of the machine of this name; undefined when there is none. */
export async function qemuOf(name: string): Promise<Process | undefined> {
  return (await listProcesses()).find((one) => machineOf(one) === name);
}
