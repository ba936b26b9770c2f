import { randomBytes } from 'node:crypto';
import { TidepoolError } from '../domain/errors.ts';

const minCharacters = 10;
/** Longer ones would only cost time; far more than any password manager makes. */
const maxBytes = 1_024;

/** Of the passwords that are tried first, those that are long enough to pass otherwise. */
const common = new Set([
  '1234567890',
  '12345678910',
  '0123456789',
  '0987654321',
  '1q2w3e4r5t',
  '1qaz2wsx3edc',
  'administrator',
  'iloveyou123',
  'letmein123',
  'password12',
  'password123',
  'password1234',
  'passwordpassword',
  'q1w2e3r4t5',
  'qwerty12345',
  'qwerty123456',
  'qwertyuiop',
  'welcome123',
]);

/**
 * The form in which passwords are hashed: the same letters may be typed as different code points, by machine
 * (Unicode NFKC, as NIST SP 800-63B says). Errors: `invalid`, which says nothing about any account. Pure.
 */
export function typedPassword(typed: string): string {
  const password = typed.normalize('NFKC');
  if (!typed.isWellFormed()) throw new TidepoolError('invalid', 'the password is not Unicode text');
  if (Buffer.byteLength(password) > maxBytes) {
    throw new TidepoolError('invalid', `the password is longer than ${maxBytes} bytes`);
  }
  return password;
}

/** The same for a new password of this account. Errors: `invalid` with the rule. Pure. */
export function newPassword(typed: string, name: string): string {
  const password = typedPassword(typed);
  const problem = problemOf(password, name);
  if (problem !== undefined) throw new TidepoolError('invalid', `the password ${problem}`);
  return password;
}

function problemOf(password: string, name: string): string | undefined {
  const characters = [...password];
  if (characters.length < minCharacters) return `has ${characters.length} characters; it needs ${minCharacters}`;
  const folded = password.trim().toLowerCase();
  if (folded === name) return "is the user's name; choose another";
  if (new Set(characters).size < 3) return 'is the same few characters again and again; choose another';
  if (common.has(folded)) return 'is one that is tried first by everybody; choose another';
  return undefined;
}

/** Letters and digits that are not taken for each other. */
const alphabet = '123456789abcdefghjkmnpqrstuvwxyz';

/** A password of 100 random bits, in groups that a person can type. */
export function makePassword(): string {
  const characters = [...randomBytes(20)].map((byte) => alphabet.charAt(byte & 31));
  return [0, 5, 10, 15].map((start) => characters.slice(start, start + 5).join('')).join('-');
}
