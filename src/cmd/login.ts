import { AccountClient } from '../cli/account-client.ts';
import { ApiClient } from '../cli/client.ts';
import { findLocalUrl, findServer } from '../config/connection.ts';
import { readLogin, removeLogin, writeLogin } from '../config/login.ts';
import { hasCode, TidepoolError } from '../domain/errors.ts';
import { passwordInput } from './password-input.ts';

interface Format {
  readonly json?: boolean;
}

/**
 * `tidepool login`: signs in, and notes where and by what for the commands that follow. With `signUp` the account is made
 * first, which works where the server lets anybody.
 */
export async function login(
  given: string | undefined,
  dataDir: string | undefined,
  { user, signUp, json }: Format & { user: string; signUp?: boolean },
): Promise<string> {
  const url = given === undefined ? await findLocalUrl(dataDir) : serverUrl(given);
  const input = passwordInput();
  try {
    const password = await input.read(`password of ${user} at ${url}`, 'TIDEPOOL_PASSWORD');
    const stranger = new AccountClient(new ApiClient({ url, token: null }));
    if (signUp) await stranger.signUp(user, password);
    const token = await stranger.signIn(user, password);
    const { name, role } = await new AccountClient(new ApiClient({ url, token })).who();
    await writeLogin({ url, token });
    return json ? JSON.stringify({ name, role, url }, null, 2) : `signed in to ${url} as ${name} (${role})`;
  } finally {
    input.close();
  }
}

/** `tidepool logout`: ends the session and forgets it; also when it has ended already or the server is away. */
export async function logout({ json }: Format): Promise<string> {
  const present = await readLogin();
  if (present === undefined) throw new TidepoolError('invalid', 'nobody is signed in; see: tidepool whoami');
  await removeLogin();
  const isEnded = await new AccountClient(new ApiClient(present)).signOut().then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, 'unauthenticated')) return true;
      if (hasCode(error, 'unavailable')) return false;
      throw error;
    },
  );
  if (json) return JSON.stringify({ url: present.url, ended: isEnded }, null, 2);
  return `signed out of ${present.url}${isEnded ? '' : '; it does not answer, so the session ends by itself'}`;
}

/** `tidepool user password` without a name: their own, by the current one. */
export async function changeOwnPassword(dataDir: string | undefined, { json }: Format): Promise<string> {
  const server = await findServer(dataDir);
  const client = new AccountClient(new ApiClient(server));
  const { name } = await client.who();
  const input = passwordInput();
  try {
    const current = await input.read(`current password of ${name}`, 'TIDEPOOL_PASSWORD');
    const next = await input.read(`new password of ${name}`, 'TIDEPOOL_NEW_PASSWORD');
    const token = await client.changePassword(current, next);
    // The session by which it was asked has ended with the others.
    if (token !== undefined && (await readLogin())?.token === server.token) {
      await writeLogin({ url: server.url, token });
    }
    return json ? JSON.stringify({ name }, null, 2) : `${name}: the password is changed; other sessions have ended`;
  } finally {
    input.close();
  }
}

function serverUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.username !== '') {
    throw new TidepoolError(
      'invalid',
      `${JSON.stringify(text)} is not the address of a server, like https://pool.example`,
    );
  }
  return url.href.replace(/\/+$/, '');
}
