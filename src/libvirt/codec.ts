import { malformed, type XdrReader, type XdrWriter } from './xdr.ts';

/** How one type is written and read. Built up like the type itself: `struct({ name: text, id: int })`. */
export interface Codec<T> {
  write(writer: XdrWriter, value: T): void;
  read(reader: XdrReader): T;
}

/** The type that a codec carries. */
export type Carried<C> = C extends Codec<infer T> ? T : never;

export const int: Codec<number> = { write: (to, value) => to.int(value), read: (from) => from.int() };
export const uint: Codec<number> = { write: (to, value) => to.uint(value), read: (from) => from.uint() };
export const hyper: Codec<bigint> = { write: (to, value) => to.hyper(value), read: (from) => from.hyper() };
export const uhyper: Codec<bigint> = { write: (to, value) => to.uhyper(value), read: (from) => from.uhyper() };
export const double: Codec<number> = { write: (to, value) => to.double(value), read: (from) => from.double() };

/** No bytes at all: the arguments or the reply of a procedure that has none. */
export const nothing: Codec<void> = { write: () => undefined, read: () => undefined };

/** UTF-8 text of at most `maxBytes`. */
export function text(maxBytes: number): Codec<string> {
  return {
    write: (to, value) => to.bytes(Buffer.from(value)),
    read: (from) => from.bytes(maxBytes).toString('utf8'),
  };
}

/** Bytes of a fixed number, written with no length before them. */
export function fixedBytes(length: number): Codec<Uint8Array> {
  return {
    write: (to, value) => to.fixedBytes(value),
    read: (from) => Uint8Array.from(from.fixedBytes(length)),
  };
}

/** Bytes after their number, at most `maxBytes`. */
export function bytes(maxBytes: number): Codec<Uint8Array> {
  return {
    write: (to, value) => to.bytes(value),
    read: (from) => Uint8Array.from(from.bytes(maxBytes)),
  };
}

/** What C calls a pointer that may be null: a flag, then the value if the flag is 1. */
export function optional<T>(inner: Codec<T>): Codec<T | null> {
  return {
    write(to, value) {
      to.uint(value === null ? 0 : 1);
      if (value !== null) inner.write(to, value);
    },
    read(from) {
      const flag = from.uint();
      if (flag > 1) throw malformed(`a flag of ${flag} before an optional value`);
      return flag === 0 ? null : inner.read(from);
    },
  };
}

/** At most `maxCount` elements after their number. An element takes at least four bytes in XDR. */
export function array<T>(inner: Codec<T>, maxCount: number): Codec<readonly T[]> {
  return {
    write(to, values) {
      to.uint(values.length);
      for (const value of values) inner.write(to, value);
    },
    read: (from) => Array.from({ length: from.count(maxCount, 4) }, () => inner.read(from)),
  };
}

/** Elements of a fixed number, with no number before them. */
export function fixedArray<T>(inner: Codec<T>, count: number): Codec<readonly T[]> {
  return {
    write(to, values) {
      for (const value of values) inner.write(to, value);
    },
    read: (from) => Array.from({ length: count }, () => inner.read(from)),
  };
}

type Fields = Readonly<Record<string, Codec<never> | Codec<unknown>>>;

/** The fields one after the other, in the order in which they are written here. */
export function struct<F extends Fields>(fields: F): Codec<{ readonly [K in keyof F]: Carried<F[K]> }> {
  type Value = { readonly [K in keyof F]: Carried<F[K]> };
  const entries = Object.entries(fields) as [keyof F, Codec<Value[keyof F]>][];
  return {
    write(to, value) {
      for (const [name, codec] of entries) codec.write(to, value[name]);
    },
    read(from) {
      return Object.fromEntries(entries.map(([name, codec]) => [name, codec.read(from)])) as Value;
    },
  };
}
