import { type Kysely, type Migration, sql } from 'kysely';
import type { Account } from '../domain/account.ts';
import type { Role } from '../protocol/account.ts';

/** Rows of accounts, sessions and API tokens. */
export interface AccountTables {
  account: {
    name: string;
    role: Role;
    state: Account['state'];
    password_hash: string;
    created_at_ms: number;
  };
  session: { hash: string; account: string; created_at_ms: number; used_at_ms: number };
  api_token: {
    id: string;
    hash: string;
    account: string;
    name: string;
    scopes_json: string;
    created_at_ms: number;
    expires_at_ms: number;
    used_at_ms: number | null;
  };
}

const statements = [
  `create table account (
    name text primary key, role text not null, state text not null, password_hash text not null,
    created_at_ms integer not null)`,
  `create table session (
    hash text primary key, account text not null references account (name), created_at_ms integer not null,
    used_at_ms integer not null)`,
  `create index session_by_account on session (account)`,
  `create table api_token (
    id text primary key, hash text not null unique, account text not null references account (name),
    name text not null, scopes_json text not null, created_at_ms integer not null, expires_at_ms integer not null,
    used_at_ms integer)`,
  `create index api_token_by_account on api_token (account, id)`,
];

export const accountMigration: Migration = {
  async up(db: Kysely<AccountTables>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
