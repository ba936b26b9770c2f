import { type Kysely, type Migration, sql } from 'kysely';
import type { RevisionState, ServiceProtocol } from '../domain/service.ts';

/** Rows of services, their revisions, and what their handlers keep. */
export interface ServiceTables {
  service: {
    name: string;
    owner: string;
    protocol: ServiceProtocol;
    flavor: string;
    settings_json: string;
    port: number | null;
    running: number;
    current: number | null;
    leaving: number;
    created_at_ms: number;
    /** Sums over its rows in key_value, kept with each write: counting a million rows at each would be slow. */
    key_count: number;
    key_value_bytes: number;
  };
  revision: {
    service: string;
    number: number;
    state: RevisionState;
    message: string;
    traceback: string;
    created_at_ms: number;
    spec_json: string;
  };
  key_value: { service: string; key: string; value: Uint8Array };
}

const statements = [
  `create table service (
    name text primary key, owner text not null, protocol text not null, flavor text not null,
    settings_json text not null, port integer, running integer not null, current integer, leaving integer not null, created_at_ms integer not null,
    key_count integer not null, key_value_bytes integer not null)`,
  `create table revision (
    service text not null references service (name) on delete cascade, number integer not null, state text not null,
    message text not null, traceback text not null, created_at_ms integer not null, spec_json text not null,
    primary key (service, number))`,
  `create table key_value (
    service text not null references service (name) on delete cascade, key text not null, value blob not null,
    primary key (service, key)) without rowid`,
];

export const serviceMigration: Migration = {
  async up(db: Kysely<ServiceTables>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
