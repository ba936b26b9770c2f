import type { Distribution } from './host.ts';

/** One archive of packages as apt's configuration names it. */
interface Source {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Path of a key file, or '' when apt's general keys are used. */
  readonly signedBy: string;
}

/** A file of apt's configuration: `sources.list`, `*.list` (one line each) or `*.sources` (deb822). */
export interface SourcesFile {
  readonly name: string;
  readonly text: string;
}

/**
 * The distribution's own archives among all that the machine has, as one-line sources; '' when none is found.
 * Repositories of vendors stay out: they are none of the guest's business, and may be out of reach.
 */
export function distributionSources(files: readonly SourcesFile[], distribution: Distribution): string {
  const suites = ['', '-updates', '-security'].map((suffix) => `${distribution.codename}${suffix}`);
  const all = files.flatMap(({ name, text }) => (name.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)));
  const wanted = all.filter(({ suite }) => suites.includes(suite));
  // A vendor's archive may name its suite like the distribution's; it has a key of its own. A mirror of the
  // distribution that a company signs again is still found when there is nothing else.
  const official = wanted.filter(({ signedBy }) => signedBy === '' || /(debian|ubuntu)-archive/.test(signedBy));
  const lines = new Set<string>();
  for (const source of official.length > 0 ? official : wanted) {
    const components = source.components.filter((component) => component === 'main' || component === 'universe');
    if (components.length === 0) continue;
    const key = source.signedBy === '' ? '' : `[signed-by=${source.signedBy}] `;
    lines.add(`deb ${key}${source.uri} ${source.suite} ${components.join(' ')}\n`);
  }
  return [...lines].join('');
}

/** sources.list(5): `deb [option=value ...] uri suite component...`. */
function parseOneLine(text: string): Source[] {
  const sources: Source[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    const [, options = '', uri = '', suite = '', components = ''] = match ?? [];
    if (match === null) continue;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1] ?? '';
    sources.push({ uri, suite, components: words(components), signedBy });
  }
  return sources;
}

/** The deb822 form of sources.list(5): paragraphs of `Field: values`, continued on indented lines. */
function parseDeb822(text: string): Source[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields = new Map<string, string>();
    for (const match of paragraph.matchAll(/^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm)) {
      fields.set((match[1] ?? '').toLowerCase(), match[2] ?? '');
    }
    const field = (name: string): string[] => words(fields.get(name) ?? '');
    if (!field('types').includes('deb') || fields.get('enabled')?.trim().toLowerCase() === 'no') return [];
    // A key written out in the file has no path; apt's general keys are tried instead.
    const signedBy = field('signed-by').find((key) => key.startsWith('/')) ?? '';
    const components = field('components');
    return field('uris').flatMap((uri) => field('suites').map((suite) => ({ uri, suite, components, signedBy })));
  });
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
