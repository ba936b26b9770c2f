/**
 * Text from a guest for a terminal: control characters, by which it could rewrite what the terminal shows, become `?`. Tabs
 * and line ends stay. Pure.
 */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '?');
}
