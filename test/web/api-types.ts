import { openApiDocument } from './document.ts';

/** The part of JSON Schema (2020-12) that is in our OpenAPI document. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly format?: string;
}

interface Operation {
  readonly parameters?: readonly {
    readonly in: string;
    readonly name: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

export const typesPath = 'src/web/api/generated.d.ts';

/** The API as types in the shape that openapi-fetch reads, from the document of a server. */
export async function apiTypes(): Promise<string> {
  const { paths } = (await openApiDocument()) as { paths: Paths };
  const operations = Object.entries(paths).map(
    ([path, methods]) =>
      `  ${JSON.stringify(path)}: {\n${Object.entries(methods)
        .map(([method, operation]) => `    ${method}: ${operationType(operation)};\n`)
        .join('')}  };\n`,
  );
  const head = '// Made from the OpenAPI document by `npm run api-types`. Not to be edited.\n\n';
  return `${head}export interface paths {\n${operations.join('')}}\n`;
}

function operationType({ parameters = [], requestBody, responses }: Operation): string {
  const places = ['query', 'path', 'header'].map((place) => {
    const there = parameters.filter((one) => one.in === place);
    if (there.length === 0) return `${place}?: never`;
    const isNeeded = there.some((one) => one.required);
    const fields = there.map(({ name, required, schema }) => field(name, required === true, schema));
    return `${place}${isNeeded ? '' : '?'}: { ${fields.join('; ')} }`;
  });
  const body = requestBody === undefined ? 'requestBody?: never' : `requestBody: ${contentType(requestBody.content)}`;
  const answers = Object.entries(responses).map(
    ([status, { content }]) => `${status}: ${content === undefined ? '{ content?: never }' : contentType(content)}`,
  );
  return `{ parameters: { ${places.join('; ')} }; ${body}; responses: { ${answers.join('; ')} } }`;
}

function contentType(content: Readonly<Record<string, { readonly schema: Schema }>>): string {
  const types = Object.entries(content).map(([type, { schema }]) => `${JSON.stringify(type)}: ${typeOf(schema)}`);
  return `{ content: { ${types.join('; ')} } }`;
}

function typeOf(schema: Schema): string {
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives !== undefined) return alternatives.map(typeOf).join(' | ');
  const types = [schema.type ?? 'unknown'].flat();
  return types.map((type) => plainType(type, schema)).join(' | ');
}

function plainType(type: string, schema: Schema): string {
  if (type === 'string') return schema.format === 'binary' ? 'Blob' : 'string';
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'boolean' || type === 'null') return type;
  if (type === 'array') return `(${schema.items === undefined ? 'unknown' : typeOf(schema.items)})[]`;
  return type === 'object' ? objectType(schema) : 'unknown';
}

function objectType({ properties = {}, required = [], additionalProperties }: Schema): string {
  const fields = Object.entries(properties).map(([name, schema]) => field(name, required.includes(name), schema));
  if (typeof additionalProperties === 'object') {
    const others = Object.keys(additionalProperties).length === 0 ? 'unknown' : typeOf(additionalProperties);
    if (fields.length === 0) return `{ [key: string]: ${others} }`;
  }
  return `{ ${fields.join('; ')} }`;
}

/** Where a property may be left out, `undefined` may stand as well: openapi-fetch sends neither. */
function field(name: string, isRequired: boolean, schema: Schema): string {
  return `${JSON.stringify(name)}${isRequired ? '' : '?'}: ${typeOf(schema)}${isRequired ? '' : ' | undefined'}`;
}
