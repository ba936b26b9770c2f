import { TidepoolError } from '../domain/errors.ts';

/** What argon2id was told: how much memory, passes over it, and lanes. */
export interface Costs {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

export interface EncodedHash {
  readonly costs: Costs;
  readonly salt: Buffer;
  readonly tag: Buffer;
}

const pattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** As all argon2 tools write it: `$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG` (PHC string format). Pure. */
export function encodeHash({ costs, salt, tag }: EncodedHash): string {
  const { memoryKiB, passes, lanes } = costs;
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$${base64(salt)}$${base64(tag)}`;
}

/** Errors: `internal`; hashes come from the database only. Pure. */
export function decodeHash(text: string): EncodedHash {
  const match = pattern.exec(text);
  if (match === null) throw new TidepoolError('internal', 'a password hash of the database is not readable');
  const [, memoryKiB, passes, lanes, salt = '', tag = ''] = match;
  return {
    costs: { memoryKiB: Number(memoryKiB), passes: Number(passes), lanes: Number(lanes) },
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '');
}
