/** Crockford's alphabet: no letters that look like digits. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const length = 26;

/**
 * An id that sorts by time of creation, after the ULID specification: 48 bits of milliseconds, then 80 random bits,
 * as 26 lower-case characters.
 * @param random 10 random bytes
 */
export function sortableId(nowMs: number, random: Uint8Array): string {
  let bits = BigInt(nowMs);
  for (const byte of random.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  return encode(bits);
}

/**
 * Returns an id that sorts after the newest one, also when the wall clock was set back since, or stands in the same
 * millisecond: the order of ids is the order of the queue and of every list.
 * @param newest of all that there are; undefined when there is none
 */
export function sortableIdAfter(newest: string | undefined, nowMs: number, random: Uint8Array): string {
  const id = sortableId(nowMs, random);
  if (newest === undefined || id > newest || !isSortableId(newest)) return id;
  let step = 1n;
  for (const byte of random.subarray(0, 6)) step = (step << 8n) | BigInt(byte);
  return encode(decode(newest) + step);
}

function isSortableId(text: string): boolean {
  return text.length === length && [...text].every((letter) => alphabet.includes(letter));
}

function encode(value: bigint): string {
  let bits = value;
  let text = '';
  for (let i = 0; i < length; i += 1) {
    text = alphabet.charAt(Number(bits & 31n)) + text;
    bits >>= 5n;
  }
  return text;
}

function decode(text: string): bigint {
  let bits = 0n;
  for (const letter of text) bits = (bits << 5n) | BigInt(alphabet.indexOf(letter));
  return bits;
}
