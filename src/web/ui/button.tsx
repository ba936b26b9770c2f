import type { ButtonHTMLAttributes } from 'react';

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly look?: 'primary' | 'plain' | 'danger' | 'quiet';
  readonly small?: boolean;
  /** What it does is under way; it cannot be pressed again. */
  readonly busy?: boolean;
}

/** A button; `type="submit"` must be told. */
export function Button({ look = 'plain', small = false, busy = false, className = '', disabled, ...rest }: Props) {
  return (
    <button
      type="button"
      className={`button ${look}${small ? ' small' : ''} ${className}`}
      disabled={disabled === true || busy}
      aria-busy={busy}
      {...rest}
    />
  );
}
