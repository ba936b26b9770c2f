import { useEffect, useState } from 'react';
import type { LogBuffer } from './log-buffer.ts';

const mostMatches = 10_000;
const typingMs = 200;
const growingMs = 1_000;

/** Search in a log that may still grow: the lines that match, and the one that is shown. */
export function useSearch(buffer: LogBuffer) {
  const [text, setText] = useState('');
  const [matches, setMatches] = useState<readonly number[]>([]);
  const [chosen, setChosen] = useState(0);

  useEffect(() => {
    setMatches([]);
    setChosen(0);
    if (text === '') return;
    let isOver = false;
    const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));
    /** Searches what has come since, again and again. */
    const run = async (): Promise<void> => {
      let searchedLines = 0;
      for (let pauseMs = typingMs; ; pauseMs = growingMs) {
        await pause(pauseMs);
        const until = buffer.lineCount;
        for await (const part of buffer.find(text, searchedLines, mostMatches)) {
          if (isOver) return;
          const fresh = part.filter((line) => line < until);
          if (fresh.length > 0) setMatches((old) => [...old, ...fresh].slice(0, mostMatches));
          // The page may draw and be used meanwhile.
          await pause(0);
        }
        if (isOver) return;
        searchedLines = until;
      }
    };
    void run();
    return () => {
      isOver = true;
    };
  }, [text, buffer]);

  const move = (by: number): void => {
    if (matches.length > 0) setChosen((old) => (old + by + matches.length) % matches.length);
  };
  return {
    ...{ text, setText, move },
    count: matches.length,
    isMore: matches.length === mostMatches,
    position: chosen + 1,
    /** Index of the line that is shown. */
    line: text === '' ? undefined : matches[chosen],
  };
}
