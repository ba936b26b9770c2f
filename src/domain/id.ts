/** Crockford's alphabet: no letters that look like digits. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * An id that sorts by time of creation, after the ULID specification: 48 bits of milliseconds, then 80 random bits,
 * as 26 lower-case characters.
 * @param random 10 random bytes
 */
export function sortableId(nowMs: number, random: Uint8Array): string {
  let bits = BigInt(nowMs);
  for (const byte of random.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < 26; i += 1) {
    text = alphabet.charAt(Number(bits & 31n)) + text;
    bits >>= 5n;
  }
  return text;
}
