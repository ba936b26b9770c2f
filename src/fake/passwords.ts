import type { PasswordHasher } from '../domain/account.ts';

/** PasswordHasher without the work: hashes are readable, and what was asked is counted. */
export class FakeHasher implements PasswordHasher {
  /** Every comparison, also those with nothing. */
  verified = 0;
  hashed = 0;
  /** What hashes begin with; another one makes the earlier hashes outdated. */
  settings = 'v1';

  async hash(password: string): Promise<string> {
    this.hashed += 1;
    return `${this.settings}:${password}`;
  }

  async verify(password: string, hash: string | undefined): Promise<boolean> {
    this.verified += 1;
    return hash !== undefined && hash.slice(hash.indexOf(':') + 1) === password;
  }

  isOutdated(hash: string): boolean {
    return !hash.startsWith(`${this.settings}:`);
  }
}
