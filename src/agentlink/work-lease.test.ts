import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, test } from 'node:test';
import { FakeClock } from '../fake/clock.ts';
import { newReport, uptimeHeader, workUntilHeader } from '../protocol/agent.ts';
import { HttpsAgentLink } from './agent-link.ts';
import { Connections } from './connections.ts';
import { startHostileAgent } from './hostile-agent.fake.ts';

const peer = await startHostileAgent();
const connections = new Connections();
const link = new HttpsAgentLink(new FakeClock(), connections);
after(() => {
  connections.close();
  peer.close();
});

/** Asks for a report; the agent answers with this uptime, or breaks the connection. @returns the permission that it got */
async function ask(workLeaseMs: number | undefined, uptime: string | undefined): Promise<unknown> {
  let heard: IncomingMessage['headers'] = {};
  peer.answer = (request, response) => {
    heard = request.headers;
    if (uptime === undefined) return void response.destroy();
    response.setHeader(uptimeHeader, uptime);
    response.end(JSON.stringify(newReport('job-1')));
  };
  await link.report({ ...peer.address, workLeaseMs }, 'job-1').catch(() => undefined);
  return heard[workUntilHeader];
}

test('permission to work counts from the last answer that we got, by the agent’s own uptime', async () => {
  assert.equal(await ask(120_000, '5000'), undefined, 'nothing is known of it yet');
  assert.equal(await ask(120_000, '6000'), '125000');
  // Answers that are lost do not prolong it.
  for (let i = 0; i < 3; i += 1) assert.equal(await ask(120_000, undefined), '126000');
  assert.equal(await ask(120_000, '9000'), '126000');
  assert.equal(await ask(120_000, 'soon'), '129000');
  assert.equal(await ask(120_000, '-1'), '129000');
  assert.equal(await ask(undefined, '9500'), undefined, 'no lease, no limit');
  assert.equal(await ask(60_000, '9600'), '69500');
});
