import { useEffect, useRef, useState } from 'react';
import type { LogBuffer } from './log-buffer.ts';

const mostMatches = 10_000;
const typingMs = 200;

/** Search in a log that may still grow: the lines that match, and the one that is shown. */
export function useSearch(buffer: LogBuffer, version: number) {
  const [text, setText] = useState('');
  const [matches, setMatches] = useState<readonly number[]>([]);
  const [chosen, setChosen] = useState(0);
  const searched = useRef({ text: '', lines: 0 });

  // biome-ignore lint/correctness/useExhaustiveDependencies: with every version there may be new lines
  useEffect(() => {
    const isNew = searched.current.text !== text;
    if (isNew) {
      searched.current = { text, lines: 0 };
      setMatches([]);
      setChosen(0);
    }
    if (text === '') return;
    let isOver = false;
    const run = async (): Promise<void> => {
      const from = searched.current.lines;
      const until = buffer.lineCount;
      const found: number[] = [];
      for await (const part of buffer.find(text, from, mostMatches)) {
        found.push(...part);
        await new Promise((resolve) => setTimeout(resolve));
        if (isOver) return;
      }
      searched.current = { text, lines: until };
      const fresh = found.filter((line) => line < until);
      if (fresh.length > 0) setMatches((old) => [...old, ...fresh].slice(0, mostMatches));
    };
    const timer = setTimeout(() => void run(), isNew ? typingMs : 1_000);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [text, buffer, version]);

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
