import type { ReactNode } from 'react';

/** A table that scrolls in its box where the window is narrower. @param head its headings @param children its rows */
export function Table({ head, children }: { head: ReactNode; children: ReactNode }) {
  return (
    <div className="table-box">
      <table className="table stacks">
        <thead>
          <tr>{head}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** Heading of a column of buttons: for screen readers only. */
export function ActionsHead() {
  return (
    <th>
      <span className="unseen">Actions</span>
    </th>
  );
}
