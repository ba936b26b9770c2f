/** Crockford's alphabet: no letters that look like digits. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const length = 26;
/** What 48 bits hold; beyond it an id would have more than its 26 characters' worth. */
const latestMs = 2 ** 48 - 1;
/** A clock before this day, when the first of our servers ran, is wrong: many machines begin in 1970 until they ask another. */
const earliestMs = Date.UTC(2026, 0, 1);
/** Nobody notices for longer than this that the clock of a server is ahead. */
const farAheadMs = 366 * 24 * 3_600_000;

/**
 * An id that sorts by time of creation, after the ULID specification: 48 bits of milliseconds, then 80 random bits,
 * as 26 lower-case characters.
 * @param nowMs a time before 1970 counts as 1970: a negative number would sort after every other id
 * @param random 10 random bytes
 */
export function sortableId(nowMs: number, random: Uint8Array): string {
  let bits = BigInt(Math.min(Math.max(0, Math.floor(nowMs)), latestMs));
  for (const byte of random.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  return encode(bits);
}

/**
 * Returns an id at which ids begin that are not continued from: those of a time more than a year ahead, which were made while the
 * clock was wrong. New ids after them would be of that time too until it really comes: lists would show jobs of today beyond all
 * later ones for years. The price is that a job of that time sorts after those of today until it is deleted. While the
 * clock itself is surely wrong, the ids of the right time look as if they were ahead, so all are continued from.
 */
export function idCeiling(nowMs: number): string {
  if (nowMs < earliestMs) return sortableId(latestMs, new Uint8Array(10).fill(255));
  return sortableId(nowMs + farAheadMs, new Uint8Array(10));
}

/**
 * Returns an id that sorts after the newest one, also when the wall clock was set back since, or stands in the same
 * millisecond: the order of ids is the order of the queue and of every list.
 * @param newest of all that there are below `idCeiling`; undefined when there is none
 */
export function sortableIdAfter(newest: string | undefined, nowMs: number, random: Uint8Array): string {
  const id = sortableId(nowMs, random);
  if (newest === undefined || id > newest || newest >= idCeiling(nowMs) || !isSortableId(newest)) return id;
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
