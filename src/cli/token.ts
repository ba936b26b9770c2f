import { TidepoolError } from '../domain/errors.ts';
import { type TokenScope, tokenScopeSchema } from '../protocol/account.ts';
import type { AccountClient } from './account-client.ts';
import { formatTable } from './table.ts';
import { parseDuration } from './units.ts';

interface Format {
  readonly json?: boolean;
}

export interface TokenOptions extends Format {
  readonly name: string;
  /** `jobs` unless given. */
  readonly scope?: readonly string[];
  readonly expires: string;
}

/** `tidepool token create`: the token alone on standard output, so that it can be caught by a script. */
export async function tokenCreate(client: AccountClient, options: TokenOptions): Promise<string> {
  const { name, scope = ['jobs'], expires } = options;
  const made = await client.makeToken({ name, scopes: scope.map(parseScope), expiresInMs: parseDuration(expires) });
  return options.json ? JSON.stringify(made, null, 2) : made.token;
}

/** `tidepool token list`. */
export async function tokenList(client: AccountClient, options: Format & { owner?: string }): Promise<string> {
  const tokens = await client.tokens(options.owner);
  if (options.json) return JSON.stringify(tokens, null, 2);
  if (tokens.length === 0) return 'no tokens';
  const rows = tokens.map(({ id, owner, name, scopes, expiresAtMs, usedAtMs }) => [
    id,
    owner,
    name,
    scopes.join(','),
    minute(expiresAtMs),
    usedAtMs === null ? 'never' : minute(usedAtMs),
  ]);
  return formatTable([['ID', 'OWNER', 'NAME', 'SCOPES', 'EXPIRES', 'USED'], ...rows]);
}

/** `tidepool token delete`. */
export async function tokenDelete(client: AccountClient, id: string, format: Format): Promise<string> {
  await client.deleteToken(id);
  return format.json ? JSON.stringify({ id, deleted: true }, null, 2) : `${id}: deleted`;
}

function parseScope(text: string): TokenScope {
  const parsed = tokenScopeSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  const known = tokenScopeSchema.options.join(', ');
  throw new TidepoolError('invalid', `--scope is one of ${known}, not ${JSON.stringify(text)}`);
}

function minute(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace('T', ' ');
}
