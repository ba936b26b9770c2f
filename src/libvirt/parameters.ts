import type { TypedParameter } from './types.ts';

/** Typed parameters by name, read as numbers: libvirt sends integers of four widths for what is one kind of thing. */
export class Parameters {
  readonly #values: ReadonlyMap<string, TypedParameter['value']['value']>;

  constructor(params: readonly TypedParameter[]) {
    this.#values = new Map(params.map(({ field, value }) => [field, value.value]));
  }

  has(field: string): boolean {
    return this.#values.has(field);
  }

  /** 0 when it is not there: libvirt leaves out what it does not know of a machine that is off. */
  number(field: string): number {
    return Number(this.bigint(field));
  }

  bigint(field: string): bigint {
    const value = this.#values.get(field);
    if (typeof value === 'bigint') return value;
    return typeof value === 'number' ? BigInt(Math.trunc(value)) : 0n;
  }

  /** The sum of `<group>.<n>.<field>` over all `<group>.count` members. */
  sum(group: string, field: string): bigint {
    let total = 0n;
    for (let i = 0; i < this.number(`${group}.count`); i += 1) total += this.bigint(`${group}.${i}.${field}`);
    return total;
  }
}
