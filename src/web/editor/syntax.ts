import { pythonLanguage } from '@codemirror/lang-python';

export interface Place {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly message: string;
}

const mostPlaces = 20;

/**
 * Where a script breaks Python's grammar. It finds less than Python itself (names, `return` outside of a function, bad
 * indentation of some kinds), so a script without findings may still be rejected; and a finding may be a form that is newer
 * than the grammar. Pure.
 */
export function syntaxErrors(text: string): Place[] {
  const places: Place[] = [];
  const tree = pythonLanguage.parser.parse(text);
  tree.iterate({
    enter(node) {
      if (!node.type.isError || places.length === mostPlaces) return;
      if (isParenthesisedWith(node.node.parent, text)) return;
      const before = text.slice(0, node.from);
      const line = before.split('\n').length;
      if (places.some((place) => place.line === line)) return;
      const column = node.from - before.lastIndexOf('\n');
      const found = text.slice(node.from, node.to).split('\n')[0] ?? '';
      places.push({ line, column, message: found === '' ? 'something is missing here' : `not expected: ${found}` });
    },
  });
  return places;
}

/** `with (open(a) as b, open(c) as d):`, which is Python since 3.10 and not in the grammar. */
function isParenthesisedWith(
  around: ReturnType<typeof pythonLanguage.parser.parse>['topNode'] | null,
  text: string,
): boolean {
  for (let node = around; node !== null && node.name !== 'Body'; node = node.parent)
    if (node.name === 'WithStatement') return /^(async\s+)?with\s*\(/.test(text.slice(node.from, node.from + 100));
  return false;
}
