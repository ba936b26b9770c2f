const decoder = new TextDecoder();
/** Colours and movements of a terminal: CSI, OSC and the short ones (ECMA-48). */
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
/** What would do something instead of being seen; also signs that turn the direction of text around them. */
const invisible =
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** A line of output as text that does nothing but be read: without escapes, other control characters made visible. Pure. */
export function lineText(bytes: Uint8Array): string {
  const plain = decoder.decode(bytes).replace(escapes, '');
  return lastWritten(plain).replace(invisible, visible);
}

/** Of a line that was written over (a progress bar) the last that was written, as a terminal would show it. */
function lastWritten(text: string): string {
  const parts = text.split('\r').filter((part) => part !== '');
  return parts.at(-1) ?? '';
}

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `\\u${code.toString(16).padStart(4, '0')}`;
}
