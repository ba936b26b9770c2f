import { serviceAddress } from '../../protocol/agent-service.ts';

// The few forms of Ethernet, ARP, IPv4 and UDP (RFC 826, 791, 768) that a network of one guest and one gateway needs.

/** Both addresses are the same for every machine, because each has such a network of its own. */
export const guestMac = '52:54:00:00:03:15';
const gatewayMac = '52:54:00:00:03:02';
const gatewayAddress = '10.0.3.2';

/** Larger than any datagram that is used, so that none comes in fragments; smaller than what the frame is carried in. */
export const mtu = 65_000;
const headerBytes = { ethernet: 14, ip: 20, udp: 8 } as const;
export const maxDataBytes = mtu - headerBytes.ip - headerBytes.udp;

const etherType = { ip: 0x0800, arp: 0x0806 } as const;
const arpLength = 28;
/** Ethernet hardware, IPv4, six and four bytes; then the operation. */
const arpRequestHead = Buffer.from('0001080006040001', 'hex');
const arpReplyHead = Buffer.from('0001080006040002', 'hex');
/** Version 4 with a header of 5 words. */
const ipVersion = 0x45;
const dontFragment = 0x4000;
const timeToLive = 64;
const udpProtocol = 17;

const guest = { mac: macBytes(guestMac), ip: ipBytes(serviceAddress) };
const gateway = { mac: macBytes(gatewayMac), ip: ipBytes(gatewayAddress) };

/** A datagram on the network, without its addresses: those are always the gateway's and the guest's. */
export interface Datagram {
  readonly fromPort: number;
  readonly toPort: number;
  readonly data: Uint8Array;
}

/** What a guest's frame is to us: a datagram for the gateway, a question for its address, or nothing that it may send. */
export type GuestFrame =
  | ({ readonly kind: 'datagram' } & Datagram)
  | { readonly kind: 'question'; readonly answer: Buffer }
  | { readonly kind: 'other' };

/** The frame that brings a datagram to the guest. The data has at most `maxDataBytes`. */
export function frameToGuest({ fromPort, toPort, data }: Datagram): Buffer {
  const { ethernet, ip, udp } = headerBytes;
  const frame = Buffer.alloc(ethernet + ip + udp + data.length);
  frame.set(guest.mac, 0);
  frame.set(gateway.mac, 6);
  frame.writeUInt16BE(etherType.ip, 12);
  const ipHeader = frame.subarray(ethernet, ethernet + ip);
  ipHeader.writeUInt8(ipVersion, 0);
  ipHeader.writeUInt16BE(ip + udp + data.length, 2);
  ipHeader.writeUInt16BE(dontFragment, 6);
  ipHeader.writeUInt8(timeToLive, 8);
  ipHeader.writeUInt8(udpProtocol, 9);
  ipHeader.set(gateway.ip, 12);
  ipHeader.set(guest.ip, 16);
  ipHeader.writeUInt16BE(checksum(ipHeader), 10);
  frame.writeUInt16BE(fromPort, ethernet + ip);
  frame.writeUInt16BE(toPort, ethernet + ip + 2);
  // UDP's own checksum stays 0, which means that there is none: nothing on the way can change a bit.
  frame.writeUInt16BE(udp + data.length, ethernet + ip + 4);
  frame.set(data, ethernet + ip + udp);
  return frame;
}

/** Reads what the guest sent; it may be anything. */
export function readGuestFrame(frame: Buffer): GuestFrame {
  if (frame.length < headerBytes.ethernet) return { kind: 'other' };
  const payload = frame.subarray(headerBytes.ethernet);
  const type = frame.readUInt16BE(12);
  if (type === etherType.arp) return readQuestion(payload);
  return type === etherType.ip ? readDatagram(payload) : { kind: 'other' };
}

function readQuestion(payload: Buffer): GuestFrame {
  const isQuestion = payload.length >= arpLength && payload.subarray(0, 8).equals(arpRequestHead);
  if (!isQuestion || !payload.subarray(24, 28).equals(gateway.ip)) return { kind: 'other' };
  const asker = payload.subarray(8, 18);
  const type = Buffer.from([etherType.arp >> 8, etherType.arp & 0xff]);
  const answer = Buffer.concat([guest.mac, gateway.mac, type, arpReplyHead, gateway.mac, gateway.ip, asker]);
  return { kind: 'question', answer };
}

function readDatagram(payload: Buffer): GuestFrame {
  const { ip, udp } = headerBytes;
  if (payload.length < ip + udp || payload.readUInt8(0) !== ipVersion) return { kind: 'other' };
  const isUdp = payload.readUInt8(9) === udpProtocol;
  // Neither a fragment nor one that more fragments follow.
  const isWhole = (payload.readUInt16BE(6) & ~dontFragment) === 0;
  const isOurs = payload.subarray(12, 16).equals(guest.ip) && payload.subarray(16, 20).equals(gateway.ip);
  const length = payload.readUInt16BE(ip + 4);
  if (!isUdp || !isWhole || !isOurs || length < udp || ip + length > payload.length) return { kind: 'other' };
  return {
    kind: 'datagram',
    fromPort: payload.readUInt16BE(ip),
    toPort: payload.readUInt16BE(ip + 2),
    data: payload.subarray(ip + udp, ip + length),
  };
}

/** The Internet checksum of a header whose own field is 0 (RFC 1071). */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

function ipBytes(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}
