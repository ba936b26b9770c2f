import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../domain/errors.ts';
import { parseServersState, parseStat } from './tables.ts';

/** As HAProxy 2.6 prints them, less the columns that are not read. */
const header = '# pxname,svname,qcur,scur,stot,econ,status,lastchg,check_status,hrsp_5xx,srv_abrt,last_chk,ttime,mode,';
const stat = [
  header,
  'web:127.0.0.1:80,FRONTEND,,3,7,,OPEN,,,2,,,,http,',
  'web,a:127.0.0.1:9001,0,1,5,0,UP,12,* L7OK,0,1,"OK, said ""it""",31,http,',
  'web,b:127.0.0.1:9002,0,0,0,0,DOWN 1/2,4,L4CON,0,0,Connection refused,0,http,',
  'web,BACKEND,1,2,6,4,UP,12,,2,1,,33,http,',
  'raw,BACKEND,0,0,2,1,DOWN,5,,,0,,8,tcp,',
];

test('show stat: each kind of row', () => {
  const rows = parseStat(stat.join('\n'));
  assert.deepEqual(
    rows.map(({ proxy, kind, inFlight, requests }) => [proxy, kind, inFlight, requests]),
    [
      ['web:127.0.0.1:80', 'frontend', 3, 7],
      ['web', 'server', 1, 5],
      ['web', 'server', 0, 0],
      ['web', 'backend', 2, 6],
      ['raw', 'backend', 0, 2],
    ],
  );
  const [, a, b, web, raw] = rows;
  assert.deepEqual(
    [a?.server, a?.isUp, a?.isDown, a?.isChecked, a?.steadySeconds],
    ['a:127.0.0.1:9001', true, false, true, 12],
  );
  assert.deepEqual([b?.isUp, b?.isDown, b?.isChecked], [false, true, false]);
  assert.deepEqual([web?.failed, web?.errors, web?.meanMs], [1, 2, 33], 'requests that were cut');
  assert.deepEqual([raw?.failed, raw?.meanMs], [1, 8], 'connections that found no server');
});

test('show stat: an answer that is none is upstream', () => {
  for (const text of ['', 'Unknown command', "Can't find the target PID", header.replace('scur', 'x')])
    assert.throws(
      () => parseStat(text),
      (error) => hasCode(error, 'upstream'),
    );
});

test('show servers state: who drains and who rests', () => {
  const columns = '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight';
  const row = (name: string, state: number): string =>
    `2 web 1 ${name} 127.0.0.1 2 ${state} 1 1 4 15 3 2 6 0 0 0 - 9001 - 0 0 - - 0`;
  const servers = parseServersState(
    ['1', columns, row('a:x:1', 0), row('b:x:1', 8), row('c:x:1', 1), row('d:x:1', 4)].join('\n'),
  );
  assert.deepEqual(
    servers.map(({ id, isDraining, isInMaintenance }) => [id, isDraining, isInMaintenance]),
    [
      ['a:x:1', false, false],
      ['b:x:1', true, false],
      ['c:x:1', false, true],
      ['d:x:1', false, true],
    ],
  );
  assert.throws(
    () => parseServersState('2\n'),
    (error) => hasCode(error, 'upstream'),
  );
});
