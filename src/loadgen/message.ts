import { isIPv6 } from 'node:net';
import { TidepoolError } from '../domain/errors.ts';
import { HttpAnswer } from './http-answer.ts';
import type { Address, LaneOwner, OpenLane } from './lane.ts';
import { LineAnswer } from './line-answer.ts';
import { type Render, StreamLane } from './stream-lane.ts';
import { parseTemplate } from './template.ts';
import { UdpLane } from './udp-lane.ts';

/** What is asked, as the user gave it. Texts are templates (template.ts). */
export type MessageSpec =
  | { readonly protocol: 'http'; readonly path: string; readonly method?: string; readonly body?: string }
  /** `payload` as text, or `0x` and hexadecimal digits. For tcp a line; for udp four random bytes when there is none. */
  | { readonly protocol: 'tcp' | 'udp'; readonly payload?: string };

/** How requests of one kind are sent. */
export interface Message {
  readonly openLane: OpenLane;
  /** Asking twice does the same as asking once, as far as HTTP knows. */
  readonly canRepeat: boolean;
}

const repeatableMethods = ['GET', 'PUT', 'DELETE', 'OPTIONS'];
const mostDatagramBytes = 65_507;
const defaultLine = '{n}';

/** Errors: `invalid` for what cannot be sent. @param random from 0 to less than 1 */
export function messageOf(spec: MessageSpec, random: () => number = Math.random): Message {
  if (spec.protocol === 'http') return httpMessage(spec, random);
  const isUdp = spec.protocol === 'udp';
  const render = payload(spec, random);
  const openLane = (address: Address, owner: LaneOwner) =>
    isUdp ? new UdpLane(address, render, owner) : new StreamLane(address, render, new LineAnswer(), owner);
  return { openLane, canRepeat: false };
}

function httpMessage(spec: Extract<MessageSpec, { protocol: 'http' }>, random: () => number): Message {
  const { path, body, method = body === undefined ? 'GET' : 'POST' } = spec;
  if (!/^\/[\x21-\x7e]*$/.test(path)) {
    throw new TidepoolError('invalid', `the path ${JSON.stringify(path)} does not begin with / or has a space in it`);
  }
  if (!/^[A-Z]{1,20}$/.test(method) || ['HEAD', 'CONNECT'].includes(method)) {
    throw new TidepoolError('invalid', `the method ${method} cannot be used; take GET, POST, PUT, PATCH or DELETE`);
  }
  const templates = { path: parseTemplate(path, random), body: parseTemplate(body ?? '', random) };
  const isJson = /^\s*[{[]/.test(body ?? '');
  const type = isJson ? 'application/json' : 'text/plain; charset=utf-8';
  const renderFor = (address: Address): Render => {
    const fields = `Host: ${hostOf(address)}\r\nUser-Agent: tidepool-load\r\nAccept: */*\r\n`;
    return once(templates.path.isConstant && templates.body.isConstant, (number) => {
      const start = `${method} ${templates.path.render(number)} HTTP/1.1\r\n${fields}`;
      if (body === undefined) return Buffer.from(`${start}\r\n`, 'latin1');
      const text = templates.body.render(number);
      const length = Buffer.byteLength(text);
      return Buffer.from(`${start}Content-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${text}`);
    });
  };
  return {
    openLane: (address, owner) => new StreamLane(address, renderFor(address), new HttpAnswer(), owner),
    canRepeat: repeatableMethods.includes(method),
  };
}

function payload(spec: Extract<MessageSpec, { protocol: 'tcp' | 'udp' }>, random: () => number): Render {
  const { protocol, payload: text = protocol === 'tcp' ? defaultLine : undefined } = spec;
  if (text === undefined) return () => randomNumber(random);
  const hexadecimal = /^0x((?:[0-9a-f]{2})*)$/i.exec(text)?.[1];
  const end = protocol === 'tcp' ? '\n' : '';
  if (/^0x/i.test(text) && hexadecimal === undefined) {
    throw new TidepoolError('invalid', `the payload ${text} is not an even number of hexadecimal digits after 0x`);
  }
  const template = parseTemplate(text, random);
  if (protocol === 'udp' && Buffer.byteLength(template.render(1)) > mostDatagramBytes) {
    throw new TidepoolError('invalid', `the payload is longer than a datagram can be (${mostDatagramBytes} bytes)`);
  }
  if (hexadecimal !== undefined) {
    const bytes = Buffer.concat([Buffer.from(hexadecimal, 'hex'), Buffer.from(end)]);
    return () => bytes;
  }
  return once(template.isConstant, (number) => Buffer.from(template.render(number) + end));
}

/** Four bytes, a big-endian unsigned number. */
function randomNumber(random: () => number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(Math.floor(random() * 2 ** 32));
  return bytes;
}

/** What is the same for each request is made once. */
function once(isConstant: boolean, render: Render): Render {
  if (!isConstant) return render;
  const bytes = render(1);
  return () => bytes;
}

function hostOf({ host, port }: Address): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
