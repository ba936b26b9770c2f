import { TidepoolError } from '../domain/errors.ts';
import { type Role, roleSchema, type UserView } from '../protocol/account.ts';
import type { AccountClient } from './account-client.ts';
import { formatTable } from './table.ts';

interface Format {
  readonly json?: boolean;
}

/** `tidepool whoami`. @param url of the server */
export async function whoAmI(client: AccountClient, url: string, format: Format): Promise<string> {
  const who = await client.who();
  if (format.json) return JSON.stringify({ ...who, url }, null, 2);
  const by = {
    session: 'signed in',
    token: `by a token for ${(who.scopes ?? []).join(', ')}`,
    file: 'by the admin token of the data folder',
  };
  return `${who.name} (${who.role}) at ${url}, ${by[who.signedInBy]}`;
}

/** `tidepool user list`. */
export async function userList(client: AccountClient, format: Format): Promise<string> {
  const users = await client.users();
  if (format.json) return JSON.stringify(users, null, 2);
  const rows = users.map(({ name, role, disabled, createdAtMs }) => [
    name,
    role,
    disabled ? 'disabled' : 'active',
    day(createdAtMs),
  ]);
  return formatTable([['USER', 'ROLE', 'STATE', 'SINCE'], ...rows]);
}

/** `tidepool user add`. @param password undefined: the server makes one, which is printed */
export async function userAdd(
  client: AccountClient,
  name: string,
  password: string | undefined,
  options: Format & { role: string },
): Promise<string> {
  const added = await client.addUser(name, parseRole(options.role), password);
  if (options.json) return JSON.stringify(added, null, 2);
  return `${formatUser(added)}${madePassword(added.password)}`;
}

/** `tidepool user set`. */
export async function userSet(
  client: AccountClient,
  name: string,
  options: Format & { role?: string; enable?: boolean },
): Promise<string> {
  const { role, enable } = options;
  if (role === undefined && !enable) throw new TidepoolError('invalid', 'nothing to set: give --role or --enable');
  const change = { ...(role === undefined ? {} : { role: parseRole(role) }), ...(enable ? { disabled: false } : {}) };
  return userLine(await client.changeUser(name, change), options);
}

/** `tidepool user disable`. */
export async function userDisable(client: AccountClient, name: string, format: Format): Promise<string> {
  return userLine(await client.changeUser(name, { disabled: true }), format);
}

/** `tidepool user delete`. */
export async function userDelete(client: AccountClient, name: string, format: Format): Promise<string> {
  await client.deleteUser(name);
  return format.json ? JSON.stringify({ name, deleted: true }, null, 2) : `${name}: deleted`;
}

/** `tidepool user password NAME`. @param password undefined: the server makes one, which is printed */
export async function userPassword(
  client: AccountClient,
  name: string,
  password: string | undefined,
  format: Format,
): Promise<string> {
  const made = await client.resetPassword(name, password);
  if (format.json) return JSON.stringify({ name, password: made }, null, 2);
  return `${name}: the password is set${madePassword(made)}; all sessions have ended`;
}

function userLine(user: UserView, format: Format): string {
  return format.json ? JSON.stringify(user, null, 2) : formatUser(user);
}

function formatUser({ name, role, disabled }: UserView): string {
  return `${name} (${role})${disabled ? ', disabled' : ''}`;
}

function madePassword(password: string | null): string {
  return password === null ? '' : `, password ${password} (told this once)`;
}

function parseRole(text: string): Role {
  const parsed = roleSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new TidepoolError('invalid', `--role is one of ${roleSchema.options.join(', ')}, not ${JSON.stringify(text)}`);
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
