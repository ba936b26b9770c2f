import type { JobsConfig } from '../config/jobs-schema.ts';
import type { PipSource } from '../domain/requirements.ts';

/** Where PyPI keeps the files of its index. */
const filesOf: Readonly<Record<string, readonly string[]>> = { 'pypi.org': ['files.pythonhosted.org'] };

/** What requirements are installed from, by the configuration; null: they are not. */
export function pipSource({ pip }: JobsConfig): PipSource | null {
  if (pip === undefined) return null;
  if ('wheelDir' in pip) return { kind: 'folder', path: pip.wheelDir };
  const url = new URL(pip.indexUrl);
  const port = url.protocol === 'https:' ? '443' : '80';
  const own = `${url.hostname}:${url.port === '' ? port : url.port}`;
  const others = [...pip.hosts, ...(filesOf[url.hostname] ?? [])];
  return {
    kind: 'index',
    url: pip.indexUrl,
    hosts: [own, ...others.map((host) => (host.includes(':') ? host : `${host}:${port}`))],
  };
}
