import { type FormEvent, useEffect, useRef, useState } from 'react';
import { LogBuffer } from '../log/log-buffer.ts';
import { LogView } from '../log/log-view.tsx';
import { Button } from '../ui/button.tsx';

type State = 'connecting' | 'open' | 'closed';

/** A VM's serial console: what it writes, and lines to write to it. */
export function Console({ vm }: { vm: string }) {
  const [buffer, setBuffer] = useState(() => new LogBuffer());
  const [version, setVersion] = useState(0);
  const [state, setState] = useState<State>('connecting');
  const [why, setWhy] = useState('');
  const [round, setRound] = useState(0);
  const [text, setText] = useState('');
  const socket = useRef<WebSocket>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each round is a connection of its own
  useEffect(() => {
    const fresh = new LogBuffer();
    setBuffer(fresh);
    setState('connecting');
    const url = new URL(`/api/v1/vms/${encodeURIComponent(vm)}/console`, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const made = new WebSocket(url);
    made.binaryType = 'arraybuffer';
    socket.current = made;
    made.onopen = () => setState('open');
    made.onmessage = ({ data }) => {
      fresh.push('stdout', typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data));
      setVersion((old) => old + 1);
    };
    made.onclose = ({ reason }) => {
      setWhy(reason);
      setState('closed');
    };
    return () => {
      made.onclose = null;
      made.close();
    };
  }, [vm, round]);

  const send = (event: FormEvent): void => {
    event.preventDefault();
    socket.current?.send(new TextEncoder().encode(`${text}\r`));
    setText('');
  };
  return (
    <div className="stack">
      <LogView buffer={buffer} version={version} label={`the console of ${vm}`}>
        <span role="status" className={state === 'open' ? 'badge good' : 'badge still'}>
          {state}
        </span>
      </LogView>
      {state === 'closed' ? (
        <div className="row">
          <span className="faint">{why === '' ? 'The connection has ended.' : why}</span>
          <Button small onClick={() => setRound(round + 1)}>
            Connect again
          </Button>
        </div>
      ) : (
        <form className="row" onSubmit={send}>
          <input
            className="grow"
            aria-label="Line to send"
            placeholder="a line to send"
            value={text}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setText(event.target.value)}
          />
          <Button type="submit" disabled={state !== 'open'}>
            Send
          </Button>
        </form>
      )}
    </div>
  );
}
