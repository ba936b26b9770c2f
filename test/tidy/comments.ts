import type { ESTree } from 'rolldown/utils';
import { isTest, lineOf, type Source } from './source.ts';

export const maxLines = 400;

/** Files that are too long to be one idea. */
export function checkLength({ path, text }: Source): string[] {
  const lines = text.trimEnd().split('\n').length;
  return lines > maxLines ? [`${path}: ${lines} lines, and at most ${maxLines} are allowed`] : [];
}

/** Marks of unfinished work, and checks switched off without a reason. */
export function checkComments({ path, text, comments }: Source): string[] {
  return comments.flatMap(({ value, start }) => {
    const problem = commentProblem(value);
    return problem === undefined ? [] : [`${path}:${lineOf(text, start)}: ${problem}`];
  });
}

function commentProblem(comment: string): string | undefined {
  const mark = /\b(TODO|FIXME|XXX|HACK)\b/.exec(comment)?.[1];
  if (mark !== undefined) return `${mark}: do it, or open an issue`;
  const silenced = /@ts-(ignore|nocheck|expect-error)|eslint-disable/.exec(comment)?.[0];
  if (silenced !== undefined) return `${silenced}: mend the type instead`;
  // In Biome's form the rule comes first, then a colon and the reason.
  if (/biome-ignore/.test(comment) && !/biome-ignore(-\w+)? [\w/]+: \S+ \S+/.test(comment)) {
    return 'biome-ignore needs a reason after the rule';
  }
  return undefined;
}

/** Exported functions and classes of src without a doc comment right before them. */
export function checkDocComments({ path, text, comments, program }: Source): string[] {
  if (isTest(path)) return [];
  const docEnds = comments.filter(({ type, value }) => type === 'Block' && value.startsWith('*')).map(({ end }) => end);
  return program.body.flatMap((statement) => {
    const name = exportedName(statement);
    if (name === undefined) return [];
    const documented = docEnds.some((end) => end <= statement.start && text.slice(end, statement.start).trim() === '');
    return documented ? [] : [`${path}:${lineOf(text, statement.start)}: ${name} is exported and has no doc comment`];
  });
}

function exportedName(statement: ESTree.Statement): string | undefined {
  if (statement.type !== 'ExportNamedDeclaration') return undefined;
  const { declaration } = statement;
  if (declaration?.type === 'FunctionDeclaration' || declaration?.type === 'ClassDeclaration')
    return declaration.id?.name;
  return undefined;
}
