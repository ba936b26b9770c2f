import type { ReactNode } from 'react';
import type { Place } from './syntax.ts';

/** What is wrong with a text in the editor, and where. @param children what may be done all the same */
export function Problems({
  intro,
  problems,
  children,
}: {
  intro: string;
  problems: readonly Place[];
  children?: ReactNode;
}) {
  if (problems.length === 0) return null;
  return (
    <div className="note bad" role="alert">
      <p>{intro}</p>
      <ul>
        {problems.map(({ line, column, message }) => (
          <li key={line}>
            Line {line}, column {column}: {message}
          </li>
        ))}
      </ul>
      {children}
    </div>
  );
}
