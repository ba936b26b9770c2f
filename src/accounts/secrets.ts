import { createHash, randomBytes } from 'node:crypto';

/**
 * Secrets by which sessions and tokens are known: 256 random bits, with a prefix that says what they are (also to tools
 * that look for secrets in code). Nobody can guess one, so a fast hash is enough to keep them by.
 */
export const secretPrefixes = { session: 'tps_', token: 'tpt_' } as const;

/** A new secret; it is kept nowhere but with who asked for it. */
export function makeSecret(kind: keyof typeof secretPrefixes): string {
  return secretPrefixes[kind] + randomBytes(32).toString('base64url');
}

/** What is kept of a secret: SHA-256, hexadecimal. Pure. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
