import { TidepoolError } from '../domain/errors.ts';

/**
 * ASCII only, and checked before it is made lower case: some other letters become ASCII ones by that (the Kelvin sign
 * becomes `k`), and many look like them.
 */
const pattern = /^[A-Za-z][A-Za-z0-9._-]{0,31}$/;

/** A name in the one form in which it is kept: `Ann` and `ann` are the same. Undefined when it cannot be a name. Pure. */
export function foldName(typed: string): string | undefined {
  return pattern.test(typed) ? typed.toLowerCase() : undefined;
}

/** The same for a new account. Errors: `invalid`. Pure. */
export function newName(typed: string): string {
  const name = foldName(typed);
  if (name !== undefined) return name;
  throw new TidepoolError(
    'invalid',
    `${JSON.stringify(typed.slice(0, 64))} cannot be a user's name; it begins with a letter (a to z), then at most 31 ` +
      'letters, digits, dots, dashes and underscores',
  );
}
