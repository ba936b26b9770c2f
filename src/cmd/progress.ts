/** A step of a long build, as `image/` reports it. */
export interface Progress {
  readonly label: string;
  /** 0 to 1. */
  readonly fraction: number;
}

const barWidth = 24;

/** Shows progress on standard error: one line that is redrawn on a terminal, a line per label elsewhere. */
export function progressDisplay(title: string): { show(progress: Progress): void; end(): void } {
  const isTerminal = process.stderr.isTTY === true;
  let shown = '';
  return {
    show({ label, fraction }) {
      const filled = Math.round(fraction * barWidth);
      const bar = `${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}`;
      const line = isTerminal ? `${title} [${bar}] ${Math.round(fraction * 100)} % ${label}` : `${title}: ${label}`;
      if (line === shown) return;
      shown = line;
      const width = process.stderr.columns ?? 80;
      process.stderr.write(isTerminal ? `\r\u001b[K${line.slice(0, width - 1)}` : `${line}\n`);
    },
    end() {
      if (isTerminal && shown !== '') process.stderr.write('\r\u001b[K');
    },
  };
}
