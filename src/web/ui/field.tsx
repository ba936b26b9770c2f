import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId } from 'react';

interface FieldProps {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly error?: string | undefined;
}

/** One line of text or a number with its label. */
export function Field({ label, hint, error, ...input }: FieldProps & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  const isDescribed = hint !== undefined || error !== undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        aria-invalid={error !== undefined}
        {...(isDescribed ? { 'aria-describedby': `${id}-more` } : {})}
        {...input}
      />
      <Below id={id} hint={hint} error={error} />
    </div>
  );
}

/** A choice with its label; the options are its children. */
export function Choice({ label, hint, error, ...select }: FieldProps & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  const isDescribed = hint !== undefined || error !== undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} {...(isDescribed ? { 'aria-describedby': `${id}-more` } : {})} {...select} />
      <Below id={id} hint={hint} error={error} />
    </div>
  );
}

function Below({ id, hint, error }: { id: string; hint?: ReactNode; error?: string | undefined }) {
  if (hint === undefined && error === undefined) return null;
  return (
    <div id={`${id}-more`} className={error === undefined ? 'hint' : 'hint bad'}>
      {error ?? hint}
    </div>
  );
}
