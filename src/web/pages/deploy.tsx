import { useQuery } from '@tanstack/react-query';
import { type FormEvent, lazy, Suspense, useState } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import type { DeployedView, DeploymentBody } from '../../protocol/services.ts';
import { responseError, unreachable } from '../api/client.ts';
import { servicesQuery } from '../api/queries.ts';
import { Problems } from '../editor/problems.tsx';
import type { Place } from '../editor/syntax.ts';
import { Button } from '../ui/button.tsx';
import { Choice, Field } from '../ui/field.tsx';
import { Page } from '../ui/page.tsx';
import { Loading, sentence } from '../ui/states.tsx';
import { tell } from '../ui/toasts.tsx';
import { presets } from './pool-settings.tsx';
import { RuntimeChoice } from './runtime-choice.tsx';

const Editor = lazy(() => import('../editor/editor.tsx'));

const example = `def handler(request):
    return {"hello": "from a virtual machine"}
`;

async function deploy(spec: DeploymentBody, fileName: string, script: string): Promise<DeployedView> {
  const form = new FormData();
  form.append('spec', new Blob([JSON.stringify(spec)], { type: 'application/json' }));
  form.append('file', new Blob([script], { type: 'text/x-python' }), fileName);
  const response = await fetch('/api/v1/services', { method: 'POST', body: form }).catch(unreachable);
  if (!response.ok) throw await responseError(response);
  return response.json();
}

/** A handler becomes a service, or the next revision of one. */
export default function DeployPage() {
  const [, go] = useLocation();
  const [search] = useSearchParams();
  const given = search.get('name') ?? '';
  const { data: services } = useQuery(servicesQuery);
  const known = services?.find(({ name }) => name === given);
  const [script, setScript] = useState(example);
  const [problems, setProblems] = useState<readonly Place[]>([]);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  if (given !== '' && services === undefined) return <Loading what={given} />;

  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const spec = deploymentOf(new FormData(event.currentTarget), known !== undefined);
    setError(undefined);
    const { syntaxErrors } = await import('../editor/syntax.ts');
    const found = problems.length > 0 ? [] : syntaxErrors(script);
    setProblems(found);
    if (found.length > 0) return;
    setBusy(true);
    try {
      const { service, revision } = await deploy(spec, 'app.py', script);
      tell(`revision ${revision} of ${service.name} is being brought up`);
      go(`/services/${service.name}`);
    } catch (problem) {
      setError(sentence(problem));
    } finally {
      setBusy(false);
    }
  };
  const runtime = known?.revisions[0]?.runtime ?? 'python';
  return (
    <Page title={known === undefined ? 'Deploy a service' : `New revision of ${known.name}`}>
      <form className="submit" onSubmit={(event) => void submit(event)}>
        <div className="submit-script">
          <Suspense fallback={<Loading what="the editor" />}>
            <Editor
              label="Handler in Python"
              value={script}
              problems={problems}
              onChange={(text) => {
                setProblems([]);
                setScript(text);
              }}
            />
          </Suspense>
          <p className="hint">
            The function handler is called for each request. Tab indents; press Escape, then Tab, to leave the editor.
          </p>
        </div>
        <div className="submit-side">
          <Field
            label="Name"
            name="name"
            required
            pattern="[a-z][a-z0-9\-]{0,29}"
            title="at most 30 lower-case letters, digits and dashes"
            defaultValue={given}
            readOnly={known !== undefined}
          />
          <RuntimeChoice key={runtime} chosen={runtime} name="runtime" defaultValue={runtime} />
          {known === undefined && <FirstTime />}
        </div>
        <div className="submit-end">
          <Problems
            intro="This is not right Python, and nothing was deployed. Deploy once more to do it all the same."
            problems={problems}
          />
          {error !== undefined && (
            <p className="note bad" role="alert">
              {error}
            </p>
          )}
          <Button type="submit" look="primary" busy={busy}>
            Deploy
          </Button>
        </div>
      </form>
    </Page>
  );
}

/** What stays as it is from the first revision on. */
function FirstTime() {
  return (
    <>
      <Choice label="Protocol" name="protocol" defaultValue="http">
        <option value="http">HTTP</option>
        <option value="tcp">TCP, lines</option>
        <option value="udp">UDP, datagrams</option>
      </Choice>
      <div className="row thirds">
        <Field label="VMs at least" name="min" type="number" min="0" max="1000" defaultValue="1" required />
        <Field label="At most" name="max" type="number" min="0" max="1000" defaultValue="1" required />
      </div>
      <Choice label="Policy" name="policy" defaultValue="">
        <option value="">none: the number of VMs stays</option>
        {presets.map((preset) => (
          <option key={preset} value={preset}>
            {preset}
          </option>
        ))}
      </Choice>
    </>
  );
}

function deploymentOf(form: FormData, isKnown: boolean): DeploymentBody {
  const text = (field: string): string => String(form.get(field) ?? '');
  const spec = { name: text('name'), runtime: text('runtime') };
  if (isKnown) return spec;
  const policies = text('policy') === '' ? [] : [text('policy')];
  return {
    ...spec,
    protocol: text('protocol') as 'http' | 'tcp' | 'udp',
    settings: { min: Number(text('min')), max: Number(text('max')), policies },
  };
}
