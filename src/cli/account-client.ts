import type { z } from 'zod';
import { TidepoolError } from '../domain/errors.ts';
import {
  type NewTokenBody,
  type NewTokenView,
  newTokenAnswerSchema,
  newUserAnswerSchema,
  passwordResetAnswerSchema,
  type Role,
  type TokenView,
  tokenListSchema,
  type UserView,
  userListSchema,
  userSchema,
  type WhoView,
  whoSchema,
} from '../protocol/account.ts';
import type { ApiClient } from './client.ts';

/** Accounts, sessions and tokens of the public API. Errors of the server come back as TidepoolError. */
export class AccountClient {
  readonly #api: ApiClient;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Gives the secret of the new session. */
  async signIn(name: string, password: string): Promise<string> {
    const secret = sessionSecret(await this.#api.request('POST', '/session', { name, password }));
    if (secret !== undefined) return secret;
    throw new TidepoolError('upstream', 'the server did not give a session; is it of another version?');
  }

  /** Makes an account, where that is open to anybody. */
  async signUp(name: string, password: string): Promise<void> {
    await this.#api.request('POST', '/signup', { name, password });
  }

  async signOut(): Promise<void> {
    await this.#api.request('DELETE', '/session');
  }

  async who(): Promise<WhoView> {
    return this.#api.json('GET', '/account', whoSchema);
  }

  /** Gives the secret of the session that goes on; undefined when it was not by a session. */
  async changePassword(current: string, next: string): Promise<string | undefined> {
    return sessionSecret(await this.#api.request('PUT', '/account/password', { current, next }));
  }

  /** All users, by name. */
  async users(): Promise<UserView[]> {
    const all: UserView[] = [];
    let cursor: string | null = null;
    do {
      const query: URLSearchParams = new URLSearchParams({ limit: '1000', ...(cursor === null ? {} : { cursor }) });
      const page: z.output<typeof userListSchema> = await this.#api.json('GET', `/users?${query}`, userListSchema);
      all.push(...page.users);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return all;
  }

  /** @param password undefined: the server makes one */
  async addUser(name: string, role: Role, password: string | undefined): Promise<z.output<typeof newUserAnswerSchema>> {
    const body = { name, role, ...(password === undefined ? {} : { password }) };
    return this.#api.json('POST', '/users', newUserAnswerSchema, body);
  }

  async changeUser(name: string, change: { role?: Role; disabled?: boolean }): Promise<UserView> {
    return this.#api.json('PATCH', user(name), userSchema, change);
  }

  async deleteUser(name: string): Promise<void> {
    await this.#api.request('DELETE', user(name));
  }

  /** @param password undefined: the server makes one, and it is given back */
  async resetPassword(name: string, password: string | undefined): Promise<string | null> {
    const body = password === undefined ? {} : { password };
    return (await this.#api.json('PUT', `${user(name)}/password`, passwordResetAnswerSchema, body)).password;
  }

  async tokens(owner: string | undefined): Promise<TokenView[]> {
    const query = owner === undefined ? '' : `?${new URLSearchParams({ owner })}`;
    return (await this.#api.json('GET', `/tokens${query}`, tokenListSchema)).tokens;
  }

  async makeToken(body: NewTokenBody): Promise<NewTokenView> {
    return this.#api.json('POST', '/tokens', newTokenAnswerSchema, body);
  }

  async deleteToken(id: string): Promise<void> {
    await this.#api.request('DELETE', `/tokens/${encodeURIComponent(id)}`);
  }
}

function user(name: string): string {
  return `/users/${encodeURIComponent(name)}`;
}

/** A browser would keep the cookie; here its value is sent as a bearer token. */
function sessionSecret(response: Response): string | undefined {
  const cookies = response.headers.getSetCookie();
  return cookies.map((cookie) => /^(?:__Host-)?tidepool_session=([^;]+)/.exec(cookie)?.[1]).find(Boolean);
}
