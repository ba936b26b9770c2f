import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { distributionSources, type SourcesFile } from './apt-sources.ts';
import type { RunCommand } from './command.ts';
import type { Distribution } from './host.ts';

/** Where packages come from: as this machine's own apt does it, so that mirrors, proxies and keys are right at once. */
export interface AptSetup {
  /** One-line sources for mmdebstrap's standard input; '' leaves the choice to mmdebstrap. */
  readonly sources: string;
  /** `Acquire::…` settings for `--aptopt`. */
  readonly options: readonly string[];
}

const aptFolder = '/etc/apt';

/** Reads the machine's setup. It needs no package lists, so it works before the first `apt-get update`. */
export async function readAptSetup(run: RunCommand, distribution: Distribution): Promise<AptSetup> {
  const parts = await readdir(join(aptFolder, 'sources.list.d')).catch(() => []);
  const names = ['sources.list', ...parts.sort().map((name) => join('sources.list.d', name))];
  const files: SourcesFile[] = [];
  for (const name of names.filter((name) => /\.(list|sources)$/.test(name))) {
    const text = await readFile(join(aptFolder, name), 'utf8').catch(() => '');
    files.push({ name, text });
  }
  const config = await run({ program: 'apt-config', args: ['dump'], stdout: 'keep' });
  return { sources: distributionSources(files, distribution), options: aptOptions(config) };
}

/** Settings of `apt-config dump` on how to fetch: proxies, certificates, retries, checks of dates. */
export function aptOptions(config: string): string[] {
  return config
    .split('\n')
    .filter((line) => /^Acquire::(https?|ftp|ForceIPv[46]|Retries|Check-|Max-|AllowInsecure|AllowWeak)/i.test(line))
    .filter((line) => !/ "";$/.test(line));
}
