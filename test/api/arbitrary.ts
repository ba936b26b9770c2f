import fc, { type Arbitrary } from 'fast-check';

/** The part of JSON Schema that the OpenAPI document has. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly propertyNames?: Schema;
}

export type Components = Readonly<Record<string, Schema>>;

/** Texts that have been trouble somewhere. */
const nasty = [
  '',
  ' ',
  '..',
  '../..',
  '%',
  '%00',
  '%2e%2e%2f',
  '\u0000',
  '\n',
  '"',
  "'; drop table job; --",
  '__proto__',
  'constructor',
  'ünï',
  '\ud800',
  '💥',
  '-1',
  '1e999',
  'NaN',
  'null',
  'true',
  '9'.repeat(30),
  'x'.repeat(3_000),
];
export const nastyText: Arbitrary<string> = fc.oneof(
  fc.constantFrom(...nasty),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

/** Values of a schema, and now and then others. */
export function nearly(schema: Schema, components: Components): Arbitrary<unknown> {
  const right = exactly(schema, components);
  return fc.oneof(
    { weight: 6, arbitrary: right },
    { weight: 1, arbitrary: fc.jsonValue() },
    { weight: 1, arbitrary: nastyText },
    {
      weight: 2,
      arbitrary: fc.tuple(right, fc.jsonValue(), fc.nat()).map(([value, other, at]) => spoilt(value, other, at)),
    },
  );
}

/** One of its fields is another value, or there is one more. */
function spoilt(value: unknown, other: unknown, at: number): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return other;
  const names = [...Object.keys(value), '__proto__x'];
  return { ...value, [names[at % names.length] ?? 'x']: other };
}

/** Values of a schema. */
export function exactly(schema: Schema, components: Components): Arbitrary<unknown> {
  const { $ref, anyOf, oneOf, allOf } = schema;
  if ($ref !== undefined) return exactly(components[$ref.split('/').at(-1) ?? ''] ?? {}, components);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((one) => exactly(one, components)));
  if (allOf?.[0] !== undefined) return exactly(allOf[0], components);
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? []);
  if (types.length > 1) return fc.oneof(...types.map((type) => exactly({ ...schema, type }, components)));
  switch (types[0]) {
    case 'string':
      return text(schema);
    case 'integer':
      return fc.maxSafeInteger().map((n) => within(n, schema));
    case 'number':
      return fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true })).map((n) => within(n, schema));
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array': {
      const limits = { minLength: schema.minItems ?? 0, maxLength: Math.max(schema.minItems ?? 0, 4) };
      return fc.array(exactly(schema.items ?? {}, components), limits);
    }
    case 'object':
      return object(schema, components);
    default:
      return fc.jsonValue();
  }
}

function text({ pattern, format, minLength = 0, maxLength = 60 }: Schema): Arbitrary<string> {
  if (format === 'uri') return fc.webUrl();
  const most = Math.max(minLength, Math.min(maxLength, 60));
  const plain = fc.string({ minLength, maxLength: most });
  if (pattern === undefined) return fc.oneof(plain, nastyText);
  return fc.stringMatching(new RegExp(pattern, 'u'), { maxLength: most });
}

function within(n: number, { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER }: Schema): number {
  const span = Math.min(maximum, minimum + 1_000_000_000) - minimum;
  return span <= 0 ? minimum : minimum + (Math.abs(n) % span);
}

function object(
  { properties = {}, required = [], additionalProperties, propertyNames }: Schema,
  components: Components,
) {
  const known = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, exactly(one, components)]));
  const record = fc.record(known, { requiredKeys: [...required] as never[] });
  if (typeof additionalProperties !== 'object') return record;
  const names = propertyNames === undefined ? fc.string({ maxLength: 20 }) : exactly(propertyNames, components);
  const more = fc.dictionary(names as Arbitrary<string>, exactly(additionalProperties, components), { maxKeys: 3 });
  return fc.tuple(more, record).map(([others, own]) => ({ ...others, ...own }));
}
