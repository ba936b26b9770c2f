import { type ReactNode, type UIEvent, useEffect, useRef, useState } from 'react';
import { many } from '../text/format.ts';
import { Button } from '../ui/button.tsx';
import { lineText } from './line-text.ts';
import type { LogBuffer, LogLine } from './log-buffer.ts';
import { useSearch } from './use-search.ts';

const linePixels = 20;
const shownBeyond = 30;
/** Browsers draw no higher elements than some 16 million pixels; with more lines a pixel of scrolling is more than one. */
const mostPixels = 8_000_000;
/** So near to the end counts as at the end. */
const nearPixels = 24;

/**
 * The lines of a log. Only those that can be seen are in the page. It stays at the end while lines come, unless somebody
 * has scrolled away.
 * @param version changes when the buffer has
 */
export function LogView({
  buffer,
  version,
  label,
  children,
}: {
  buffer: LogBuffer;
  version: number;
  label: string;
  /** More for the bar above. */
  children?: ReactNode;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const lastTop = useRef(0);
  const [height, setHeight] = useState(400);
  const [isFollowing, setFollowing] = useState(true);
  const search = useSearch(buffer);
  const unfinished = buffer.unfinished();
  const count = buffer.lineCount + unfinished.length;
  const fullPixels = count * linePixels;
  const pixels = Math.min(fullPixels, mostPixels);
  const scale = Math.max(1, (fullPixels - height) / Math.max(1, pixels - height));

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: with every change of the lines the end is elsewhere
  useEffect(() => {
    if (isFollowing && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [isFollowing, version, height, count]);

  const current = search.line;
  useEffect(() => {
    if (current === undefined || box.current === null) return;
    setFollowing(false);
    box.current.scrollTop = Math.max(0, (current * linePixels - box.current.clientHeight / 2) / scale);
  }, [current, scale]);

  const onScroll = (event: UIEvent<HTMLDivElement>): void => {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
    const isAtEnd = scrollHeight - clientHeight - scrollTop < nearPixels;
    // The end also gets away by lines that come; only who goes up leaves it.
    const wentUp = scrollTop < lastTop.current;
    setFollowing((was) => isAtEnd || (was && !wentUp));
    lastTop.current = scrollTop;
    setTop(scrollTop);
  };

  const firstSeen = Math.floor((top * scale) / linePixels);
  const first = Math.max(0, firstSeen - shownBeyond);
  const last = Math.min(count, firstSeen + Math.ceil(height / linePixels) + shownBeyond);
  // Where the first line belongs so that what is in the middle of the scale is in the window.
  const offset = top + (first * linePixels - top * scale);
  const lines = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
  return (
    <div className="log">
      <div className="log-bar">
        <input
          type="search"
          aria-label={`Search in ${label}`}
          placeholder="Search"
          value={search.text}
          onChange={(event) => search.setText(event.target.value)}
          onKeyDown={(event) => event.key === 'Enter' && search.move(event.shiftKey ? -1 : 1)}
        />
        {search.text !== '' && (
          <>
            <Button small onClick={() => search.move(-1)} aria-label="Previous match" disabled={search.count === 0}>
              ↑
            </Button>
            <Button small onClick={() => search.move(1)} aria-label="Next match" disabled={search.count === 0}>
              ↓
            </Button>
            <span className="faint" role="status">
              {search.count === 0 ? 'no match' : `${search.position} of ${search.count}${search.isMore ? '+' : ''}`}
            </span>
          </>
        )}
        <span className="faint grow">{many(buffer.lineCount, 'line')}</span>
        {!isFollowing && (
          <Button small onClick={() => setFollowing(true)}>
            To the end
          </Button>
        )}
        {children}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by the keyboard */}
      <section className="log-box" ref={box} onScroll={onScroll} tabIndex={0} aria-label={label}>
        <div className="log-space" style={{ height: pixels }}>
          <div className="log-lines" style={{ transform: `translateY(${offset}px)` }}>
            {lines.map((index) => {
              const isComplete = index < buffer.lineCount;
              const line = isComplete ? buffer.line(index) : unfinished[index - buffer.lineCount];
              return line === undefined ? null : (
                <Line key={index} line={line} number={index + 1} needle={search.text} isHere={index === current} />
              );
            })}
          </div>
        </div>
      </section>
    </div>
  );
}

function Line({ line, number, needle, isHere }: { line: LogLine; number: number; needle: string; isHere: boolean }) {
  const text = lineText(line.bytes);
  const more = line.length > line.bytes.length ? ` … (${line.length} bytes)` : '';
  return (
    <div className={`log-line ${line.stream}${isHere ? ' here' : ''}`}>
      <span className="log-number" aria-hidden="true">
        {number}
      </span>
      <span>
        {needle === '' ? text : marked(text, needle)}
        {more}
      </span>
    </div>
  );
}

function marked(text: string, needle: string): ReactNode[] {
  const parts: ReactNode[] = [];
  const lower = text.toLowerCase();
  const wanted = needle.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0 && parts.length < 200; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>);
    from = at + wanted.length;
  }
  return [...parts, text.slice(from)];
}
