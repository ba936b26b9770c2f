/** A step of a long build, as `image/` reports it. */
export interface Progress {
  readonly label: string;
  /** 0 to 1. */
  readonly fraction: number;
}

const barWidth = 24;

/** Elsewhere than on a terminal a line is written at each of so many parts of the way. */
const lines = 5;

/** Shows progress on standard error: one line that is redrawn on a terminal, a few lines elsewhere. */
export function progressDisplay(title: string): { show(progress: Progress): void; end(): void } {
  const isTerminal = process.stderr.isTTY === true;
  let shown = '';
  return {
    show({ label, fraction }) {
      const filled = Math.round(fraction * barWidth);
      const bar = `${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}`;
      const percent = `${Math.round(fraction * 100)} %`;
      const line = isTerminal ? `${title} [${bar}] ${percent} ${label}` : `${title}: ${percent}, ${label}`;
      const key = isTerminal ? line : String(Math.floor(fraction * lines));
      if (key === shown) return;
      shown = key;
      const width = process.stderr.columns ?? 80;
      process.stderr.write(isTerminal ? `\r\u001b[K${line.slice(0, width - 1)}` : `${line}\n`);
    },
    end() {
      if (isTerminal && shown !== '') process.stderr.write('\r\u001b[K');
    },
  };
}
