import { readHead } from '../read-head.ts';

/** `loopback`: something listens, but where only the container itself can reach it. */
export type Listening = 'yes' | 'loopback' | 'no';

/** Of the kernel's socket states: TCP_LISTEN, and what an unconnected UDP socket has. */
const stateOf = { tcp: '0A', udp: '07' } as const;

/** The kernel lists sockets that listen first; a container that opens very many must not keep the agent busy. */
const maxTableBytes = 256 * 1024;

/** Whether a port is listened on in the network namespace of a process. */
export async function readListening(pid: number, transport: 'tcp' | 'udp', port: number): Promise<Listening> {
  const tables = [transport, `${transport}6`].map((name) => readHead(`/proc/${pid}/net/${name}`, maxTableBytes));
  // The process may have ended in the meantime, and a kernel without IPv6 has no table of it.
  const texts = await Promise.all(tables.map((table) => table.catch(() => '')));
  return listeningOn(texts, transport, port);
}

/**
 * Whether a port is listened on, by the kernel's tables of sockets.
 * @param tables their texts; anything that is no line of a socket is passed over
 */
export function listeningOn(tables: readonly string[], transport: 'tcp' | 'udp', port: number): Listening {
  let found: Listening = 'no';
  for (const line of tables.join('\n').split('\n')) {
    const [, address, localPort, state] = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line) ?? [];
    if (address === undefined || localPort === undefined || state !== stateOf[transport]) continue;
    if (Number.parseInt(localPort, 16) !== port) continue;
    if (!isLoopback(address)) return 'yes';
    found = 'loopback';
  }
  return found;
}

/** Addresses are hexadecimal, in words of the machine's (little-endian) order: 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/8. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F');
  return address === '00000000000000000000000001000000' || /^0{16}FFFF0000.{6}7F$/.test(address);
}
