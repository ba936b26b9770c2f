import { useEffect, useState } from 'react';
import type { JobView, OutputEvent } from '../../protocol/api.ts';
import { queries } from '../api/queries.ts';
import { followStream, type StreamState } from '../live/stream.ts';
import { LogBuffer } from './log-buffer.ts';

export interface JobLog {
  readonly buffer: LogBuffer;
  /** Changes when the buffer has. */
  readonly version: number;
  readonly state: StreamState;
  readonly error: unknown;
}

/** The output of a job as it comes, from its beginning. A new attempt begins an empty log. */
export function useJobLog(id: string): JobLog {
  const [log, setLog] = useState<JobLog>(() => ({
    ...{ buffer: new LogBuffer(), version: 0, state: 'connecting', error: undefined },
  }));
  useEffect(() => {
    const gone = new AbortController();
    let buffer = new LogBuffer();
    let attempt = '';
    let frame = 0;
    // Many events come between two frames of the screen; they are drawn together.
    const draw = (): void => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setLog((old) => ({ ...old, buffer, version: old.version + 1 }));
      });
    };
    followStream({
      url: `/api/v1/jobs/${id}/logs?follow=true`,
      signal: gone.signal,
      onState: (state) => setLog((old) => ({ ...old, state })),
      onEvent({ event, data, id: position = '' }) {
        if (event === 'end') {
          queries.setQueryData(['job', id], JSON.parse(data) as JobView);
          return true;
        }
        const { stream, base64 } = JSON.parse(data) as OutputEvent;
        const [ofAttempt = ''] = position.split(':');
        if (ofAttempt !== attempt) buffer = new LogBuffer();
        attempt = ofAttempt;
        buffer.push(stream, fromBase64(base64));
        draw();
        return false;
      },
    }).catch((error: unknown) => {
      if (!gone.signal.aborted) setLog((old) => ({ ...old, state: 'ended', error }));
    });
    return () => {
      gone.abort();
      cancelAnimationFrame(frame);
    };
  }, [id]);
  return log;
}

function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
