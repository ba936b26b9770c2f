import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { PasswordHasher } from '../domain/account.ts';
import { type Costs, decodeHash, encodeHash } from './encoded.ts';
import { Gate } from './gate.ts';

/** OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane. About 45 ms of a core. */
export const owaspCosts: Costs = { memoryKiB: 19_456, passes: 2, lanes: 1 };

const saltBytes = 16;
const tagBytes = 32;
/** Of Node's four threads for such work; the others stay free for files. */
const atOnce = 2;
/** About two seconds of waiting. */
const maxWaiting = 64;

/** Computes argon2id; only tests give another than Node's. */
export type Derive = (password: string, salt: Uint8Array, costs: Costs) => Promise<Buffer>;

const argon2Promise = promisify(argon2);

const derive: Derive = (password, salt, { memoryKiB, passes, lanes }) =>
  argon2Promise('argon2id', {
    message: password,
    nonce: salt,
    parallelism: lanes,
    tagLength: tagBytes,
    memory: memoryKiB,
    passes,
  });

/** PasswordHasher by argon2id of Node's own crypto. */
export function argon2idHasher(costs: Costs = owaspCosts, compute: Derive = derive): PasswordHasher {
  const gate = new Gate(atOnce, maxWaiting);
  // What a password is compared with where there is no hash: the same work, and never equal.
  const dummy = { costs, salt: randomBytes(saltBytes), tag: randomBytes(tagBytes) };
  return {
    async hash(password) {
      const salt = randomBytes(saltBytes);
      return encodeHash({ costs, salt, tag: await gate.run(() => compute(password, salt, costs)) });
    },
    async verify(password, hash) {
      const wanted = hash === undefined ? dummy : decodeHash(hash);
      const tag = await gate.run(() => compute(password, wanted.salt, wanted.costs));
      const isSame = tag.length === wanted.tag.length && timingSafeEqual(tag, wanted.tag);
      return isSame && hash !== undefined;
    },
    isOutdated(hash) {
      const { memoryKiB, passes, lanes } = decodeHash(hash).costs;
      return memoryKiB !== costs.memoryKiB || passes !== costs.passes || lanes !== costs.lanes;
    },
  };
}
