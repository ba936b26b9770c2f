import { useQuery } from '@tanstack/react-query';
import {
  type Dispatch,
  type DragEvent,
  type FormEvent,
  lazy,
  type SetStateAction,
  Suspense,
  useEffect,
  useRef,
  useState,
} from 'react';
import { flushSync } from 'react-dom';
import { useLocation } from 'wouter';
import { ApiError } from '../api/client.ts';
import { accountQuery } from '../api/queries.ts';
import { Problems } from '../editor/problems.tsx';
import type { Place } from '../editor/syntax.ts';
import { type Draft, emptyDraft, loadDraft, saveDraft } from '../submit/draft.ts';
import { sendDraft } from '../submit/upload.ts';
import { bytes } from '../text/format.ts';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { Loading, sentence } from '../ui/states.tsx';
import { tell } from '../ui/toasts.tsx';
import { RuntimeChoice } from './runtime-choice.tsx';

const Editor = lazy(() => import('../editor/editor.tsx'));
const savedAfterMs = 500;
const mostScriptBytes = 16 * 1024 ** 2;

const example = `import pathlib

print("hello from a virtual machine")
pathlib.Path("out/result.txt").write_text("42\\n")
`;

/** Script, dataset, runtime and limits; then into the queue. */
export default function SubmitPage() {
  const { data: who } = useQuery(accountQuery);
  const user = who?.name ?? '';
  const [draft, setDraft] = useState<Draft>();
  useEffect(() => {
    let isOver = false;
    void loadDraft(user).then((saved) => {
      if (!isOver) setDraft(saved ?? emptyDraft());
    });
    return () => {
      isOver = true;
    };
  }, [user]);
  useEffect(() => {
    if (draft === undefined) return;
    const timer = setTimeout(() => void saveDraft(user, draft), savedAfterMs);
    return () => clearTimeout(timer);
  }, [user, draft]);
  return (
    <Page title="Submit a job">
      {draft === undefined ? <Loading what="your draft" /> : <Form user={user} draft={draft} setDraft={setDraft} />}
    </Page>
  );
}

interface FormProps {
  readonly user: string;
  readonly draft: Draft;
  readonly setDraft: Dispatch<SetStateAction<Draft | undefined>>;
}

function Form({ user, draft, setDraft }: FormProps) {
  const [, go] = useLocation();
  const [problems, setProblems] = useState<readonly Place[]>([]);
  const [error, setError] = useState<string | undefined>(
    draft.isSending ? 'The upload was broken off. Submit sends it again; it becomes one job only.' : undefined,
  );
  const [progress, setProgress] = useState<number>();
  const sending = useRef<AbortController>(null);
  // What is changed is another request.
  const change = (changes: Partial<Draft>): void =>
    setDraft((now = draft) => ({ ...now, key: crypto.randomUUID(), isSending: false, ...changes }));
  /** At once: what is saved only after a moment is lost with this page, or is put over what was saved since. */
  const keep = (next: Draft): Promise<void> => {
    flushSync(() => setDraft(next));
    return saveDraft(user, next);
  };

  const takeFiles = async (files: Iterable<File>): Promise<void> => {
    let next: Partial<Draft> = {};
    for (const file of files) {
      if (/\.zip$/i.test(file.name)) next = { ...next, data: file };
      else if (/\.py$/i.test(file.name) && file.size <= mostScriptBytes) {
        next = { ...next, name: file.name, script: await file.text() };
        setProblems([]);
      } else setError(`${file.name} is neither a Python script (.py) nor a dataset (.zip).`);
    }
    if (Object.keys(next).length > 0) change(next);
  };

  const submit = async (isSure: boolean): Promise<void> => {
    setError(undefined);
    if (draft.script.trim() === '') return setError('Write a script, or drop one here.');
    const { syntaxErrors } = await import('../editor/syntax.ts');
    const found = isSure ? [] : syntaxErrors(draft.script);
    setProblems(found);
    if (found.length > 0) return;
    sending.current = new AbortController();
    setProgress(0);
    // The draft says so before anything is sent, in case this page goes away meanwhile.
    await keep({ ...draft, isSending: true });
    try {
      const job = await sendDraft(draft, setProgress, sending.current.signal);
      // Sent once more it is another job.
      await keep({ ...draft, key: crypto.randomUUID(), isSending: false });
      tell(`${job.name} is in the queue`);
      go(`/jobs/${job.id}`);
    } catch (problem) {
      // Not saved at once: a page that goes away breaks its upload off too.
      setDraft({ ...draft, isSending: false });
      setProgress(undefined);
      if (!(problem instanceof ApiError && problem.code === 'aborted')) setError(sentence(problem));
    }
  };

  return (
    <form
      className="submit"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void submit(false);
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event: DragEvent) => {
        event.preventDefault();
        void takeFiles(event.dataTransfer.files);
      }}
    >
      <div className="submit-script">
        <div className="row">
          <Field
            label="File name"
            value={draft.name}
            required
            pattern=".*\.py"
            title="ends in .py"
            onChange={(event) => change({ name: event.target.value })}
          />
          <FileButton label="Open a script" accept=".py" onFiles={takeFiles} />
          {draft.script === '' && <Button onClick={() => change({ script: example })}>An example</Button>}
        </div>
        <Suspense fallback={<Loading what="the editor" />}>
          <Editor
            label="Python script"
            value={draft.script}
            problems={problems}
            onChange={(script) => {
              setProblems([]);
              change({ script });
            }}
          />
        </Suspense>
        <p className="hint">
          Drop a .py or .zip file anywhere on this page. In the editor Tab indents; press Escape, then Tab, to leave it.
        </p>
      </div>
      <Side draft={draft} change={change} takeFiles={takeFiles} />
      <div className="submit-end">
        <Problems intro="This is not right Python, and nothing was queued:" problems={problems}>
          <Button small onClick={() => void submit(true)}>
            Submit it all the same
          </Button>
        </Problems>
        {error !== undefined && (
          <p className="note bad" role="alert">
            {error}
          </p>
        )}
        {progress !== undefined && (
          <div className="row" role="status">
            <progress value={progress} aria-label="Upload" />
            {progress < 1 ? `${Math.floor(progress * 100)} % sent` : 'being stored'}
            <Button small onClick={() => sending.current?.abort()}>
              Stop
            </Button>
          </div>
        )}
        <Button type="submit" look="primary" busy={progress !== undefined}>
          Submit
        </Button>
      </div>
    </form>
  );
}

function Side({
  draft,
  change,
  takeFiles,
}: {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
  takeFiles: (files: Iterable<File>) => Promise<void>;
}) {
  return (
    <div className="submit-side">
      <fieldset>
        <legend>Dataset</legend>
        {draft.data === null ? (
          <p className="faint">None. The script would see a ZIP file unpacked at ./data.</p>
        ) : (
          <p>
            {draft.data.name}, {bytes(draft.data.size)}{' '}
            <Button small onClick={() => change({ data: null })}>
              Remove
            </Button>
          </p>
        )}
        <FileButton label="Choose a ZIP file" accept=".zip" onFiles={takeFiles} />
      </fieldset>
      <RuntimeChoice
        chosen={draft.runtime}
        value={draft.runtime}
        onChange={(event) => change({ runtime: event.target.value })}
      />
      <Field
        label="Arguments"
        value={draft.args}
        placeholder="--epochs 3"
        onChange={(event) => change({ args: event.target.value })}
      />
      <Field
        label="CPUs"
        type="number"
        min="0.1"
        step="any"
        value={draft.cpus}
        onChange={(event) => change({ cpus: event.target.value })}
      />
      <Field
        label="Memory in MiB"
        type="number"
        min="16"
        step="any"
        value={draft.memoryMiB}
        onChange={(event) => change({ memoryMiB: event.target.value })}
      />
      <Field
        label="Time limit in minutes"
        type="number"
        min="0.01"
        step="any"
        value={draft.timeoutMinutes}
        onChange={(event) => change({ timeoutMinutes: event.target.value })}
      />
    </div>
  );
}

function FileButton({
  label,
  accept,
  onFiles,
}: {
  label: string;
  accept: string;
  onFiles: (files: Iterable<File>) => Promise<void>;
}) {
  return (
    <label className="button file-button">
      {label}
      <input
        type="file"
        accept={accept}
        className="unseen"
        onChange={(event) => {
          void onFiles([...(event.target.files ?? [])]);
          event.target.value = '';
        }}
      />
    </label>
  );
}
