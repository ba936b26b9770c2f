import type { ReadStream, WriteStream } from 'node:tty';
import { frame } from './frame.ts';
import { plainLines } from './plain.ts';
import { Screen } from './screen.ts';
import type { TopState } from './state.ts';

/** How `top` shows what it knows. */
export interface Display {
  /** Once an interval. @param note said beside it */
  show(state: TopState, note: string): void;
  /** Something has happened between two intervals. */
  refresh(state: TopState, note: string): void;
  close(): void;
}

const keys = {
  quit: ['q', 'Q', '\x03', '\x04'],
  next: ['\t', 'n', '\x1b[B', '\x1b[C'],
  back: ['p', '\x1b[Z', '\x1b[A', '\x1b[D'],
};

/** A line for each pool, once an interval. */
export function plainDisplay(stdout: WriteStream): Display {
  let trouble: string | null = null;
  return {
    show(state) {
      const lines = plainLines(state);
      // A server that is away says so once.
      if (lines.length > 0 && (state.trouble === null || trouble === null)) stdout.write(`${lines.join('\n')}\n`);
      trouble = state.trouble;
    },
    refresh: () => undefined,
    close: () => undefined,
  };
}

/** The whole terminal. @param onQuit called at q and Ctrl-C  @param onChange called when it must be drawn again */
export function fullScreen(
  terminal: { stdin: ReadStream; stdout: WriteStream; withColor: boolean },
  onQuit: () => void,
  onChange: () => void,
): Display {
  let selected = 0;
  let pools = 1;
  const { stdin, stdout, withColor } = terminal;
  const onKey = (key: string): void => {
    if (keys.quit.includes(key)) onQuit();
    if (keys.next.includes(key)) selected = (selected + 1) % pools;
    if (keys.back.includes(key)) selected = (selected + pools - 1) % pools;
    onChange();
  };
  const screen = new Screen(stdin, stdout, { withColor, onKey, onResize: onChange });
  screen.open();
  const show = (state: TopState, note: string): void => {
    pools = Math.max(1, state.pools.length);
    screen.draw(frame(state, screen.size, { pool: state.pools[selected]?.name, note }));
  };
  return { show, refresh: show, close: () => screen.close() };
}
