import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/**
 * Answers with bytes that a stranger made: to be saved, and never shown by a browser as a page of ours.
 * @param name of the file to save
 */
export function sendAttachment(
  reply: FastifyReply,
  name: string,
  type: 'application/octet-stream' | 'application/zip',
  content: AsyncIterable<Uint8Array>,
): FastifyReply {
  return reply
    .header('content-type', type)
    .header('content-disposition', `attachment; filename*=UTF-8''${encodeName(name)}`)
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "sandbox; default-src 'none'")
    .header('cross-origin-resource-policy', 'same-origin')
    .send(Readable.from(content));
}

/** RFC 8187: everything but letters, digits and a few signs as percent and digits. */
function encodeName(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
}
