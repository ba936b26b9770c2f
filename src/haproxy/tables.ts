import { TidepoolError } from '../domain/errors.ts';

/** A frontend, a backend or a server, as one worker counts it (`show stat`). */
export interface Row {
  /** Of a backend and its servers: the service. Of a frontend: see `frontendName`. */
  readonly proxy: string;
  readonly kind: 'frontend' | 'backend' | 'server';
  /** Of a server: its `serverId`. */
  readonly server: string;
  /** Connections of a frontend; requests (tcp: connections) of a backend and a server. */
  readonly inFlight: number;
  /** Since the worker's start. */
  readonly requests: number;
  /** Not brought to a server, or cut. Of http without what HAProxy answered with an error: see `failedVariable`. */
  readonly failed: number;
  /** Answers with a status of 5xx, whoever made them. */
  readonly errors: number;
  /** Over the newest 1,024 requests. */
  readonly meanMs: number;
  /** Of a server: whether its checks say that it takes requests; and whether the last one that ended says so. */
  readonly isUp: boolean;
  readonly isDown: boolean;
  readonly isChecked: boolean;
  /** Since it went up or down last. */
  readonly steadySeconds: number;
}

/** A server as a worker has it (`show servers state`). */
export interface KnownServer {
  readonly service: string;
  /** Its `serverId`. */
  readonly id: string;
  readonly isDraining: boolean;
  readonly isInMaintenance: boolean;
}

/** Reads the CSV of `show stat`. Errors: `upstream`. */
export function parseStat(text: string): Row[] {
  const [header = '', ...lines] = text.split('\n');
  const names = header.replace(/^# /, '').split(',');
  const at = (name: string): number => {
    const index = names.indexOf(name);
    if (index < 0) throw new TidepoolError('upstream', `HAProxy's statistics have no ${name}: ${text.slice(0, 200)}`);
    return index;
  };
  const columns = {
    ...{ proxy: at('pxname'), server: at('svname'), inFlight: at('scur'), requests: at('stot'), meanMs: at('ttime') },
    ...{ noServer: at('econ'), cut: at('srv_abrt'), errors: at('hrsp_5xx'), mode: at('mode') },
    ...{ status: at('status'), check: at('check_status'), lastChange: at('lastchg') },
  };
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const fields = splitCsv(line);
      const text = (index: number): string => fields[index] ?? '';
      const count = (index: number): number => Number(text(index)) || 0;
      const server = text(columns.server);
      return {
        proxy: text(columns.proxy),
        kind: server === 'FRONTEND' ? 'frontend' : server === 'BACKEND' ? 'backend' : 'server',
        server,
        inFlight: count(columns.inFlight),
        requests: count(columns.requests),
        failed: count(text(columns.mode) === 'tcp' ? columns.noServer : columns.cut),
        errors: count(columns.errors),
        meanMs: count(columns.meanMs),
        isUp: /^(UP|DRAIN)/.test(text(columns.status)),
        isDown: text(columns.status).startsWith('DOWN'),
        // A star means that the next check is under way.
        steadySeconds: count(columns.lastChange),
        isChecked: /^(\* )?L[467]OK/.test(text(columns.check)),
      };
    });
}

/** Texts of servers, as of a failed check, are quoted and may have commas. */
function splitCsv(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

/** Bits of srv_admin_state: forced, inherited, configured or unresolved; forced or inherited. */
const maintenance = 0x01 | 0x02 | 0x04 | 0x20;
const drain = 0x08 | 0x10;

/** Reads `show servers state`, format 1. Errors: `upstream`. */
export function parseServersState(text: string): KnownServer[] {
  const [version, header = '', ...lines] = text.split('\n');
  if (version !== '1' || !header.startsWith('# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state '))
    throw new TidepoolError('upstream', `HAProxy does not list its servers: ${text.slice(0, 200)}`);
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [, service = '', , id = '', , , bits] = line.split(' ');
      const state = Number(bits);
      return { service, id, isDraining: (state & drain) !== 0, isInMaintenance: (state & maintenance) !== 0 };
    });
}
