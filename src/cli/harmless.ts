/**
 * Text from a guest for a terminal: control characters, by which it could rewrite what the terminal shows, become `?`. Tabs
 * and line ends stay. Pure.
 */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '?');
}

/**
 * The same for what a command prints, which may be JSON: there the characters that JSON leaves as they are get a form that
 * means the same. Pure.
 */
export function printable(text: string): string {
  const written = (sign: string): string => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return harmless(text.replace(/[\u007f-\u009f]/g, written));
}
