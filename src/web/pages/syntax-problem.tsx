import type { JobView } from '../../protocol/api.ts';

/** Where a script does not compile, as Python shows it. */
export function SyntaxProblem({ problem }: { problem: NonNullable<JobView['syntaxProblem']> }) {
  const { file, line, column, message, text } = problem;
  const shown = text.replace(/\s+$/, '').replaceAll('\t', ' ');
  return (
    <div className="note bad" role="alert">
      <p>
        <strong>{message}</strong> in {file}, line {line}, column {column}. Nothing was run.
      </p>
      {shown !== '' && (
        <pre className="code">
          {`${String(line).padStart(4)} │ ${shown}\n${' '.repeat(5)}│ ${' '.repeat(Math.max(0, column - 1))}^`}
        </pre>
      )}
    </div>
  );
}
