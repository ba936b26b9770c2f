import { type FormEvent, useState } from 'react';
import type { PoolView } from '../../protocol/api.ts';
import { answer, api } from '../api/client.ts';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import { Card, Facts } from '../ui/page.tsx';
import { useAction } from '../ui/use-action.ts';

/** Ready by name; the configuration may have more. */
export const presets = ['mean30-80', 'mean30-90', 'spike3-75', 'window5-80-35', 'target', 'backlog', 'predict'];

/** Bounds, warm VMs and policies; administrators change them. */
export function PoolSettings({ pool, isAdmin }: { pool: PoolView; isAdmin: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const { settings } = pool;
  return (
    <Card
      title="Settings"
      actions={
        isAdmin &&
        !isOpen && (
          <Button small onClick={() => setOpen(true)}>
            Change
          </Button>
        )
      }
    >
      {isOpen ? (
        <Form pool={pool} onDone={() => setOpen(false)} />
      ) : (
        <Facts
          facts={[
            ['Size', `${settings.min} to ${settings.max} VMs`],
            ['Warm', `${settings.warm} booted and paused`],
            ['Flavor', pool.flavor],
            ['Policies', settings.policies.length === 0 ? 'none' : settings.policies.join(', ')],
          ]}
        />
      )}
    </Card>
  );
}

function Form({ pool: { name, settings }, onDone }: { pool: PoolView; onDone: () => void }) {
  const [policies, setPolicies] = useState<readonly string[]>(settings.policies);
  const known = [...new Set([...presets, ...settings.policies])];
  const change = useAction(
    (body: { min: number; max: number; warm: number; policies: string[] }) =>
      answer(api.PATCH('/api/v1/pools/{name}', { params: { path: { name } }, body })),
    `${name} has the new settings`,
  );
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const number = (field: string): number => Number(form.get(field));
    const body = { min: number('min'), max: number('max'), warm: number('warm'), policies: [...policies] };
    change.mutate(body, { onSuccess: onDone });
  };
  return (
    <form className="stack" onSubmit={submit}>
      <div className="row thirds">
        {(['min', 'max', 'warm'] as const).map((field) => (
          <Field
            key={field}
            label={field === 'min' ? 'At least' : field === 'max' ? 'At most' : 'Warm'}
            name={field}
            type="number"
            min="0"
            max="1000"
            required
            defaultValue={settings[field]}
          />
        ))}
      </div>
      <fieldset>
        <legend>Policies; the one that wants most decides</legend>
        {known.map((policy) => (
          <label key={policy} className="check">
            <input
              type="checkbox"
              checked={policies.includes(policy)}
              onChange={(event) =>
                setPolicies(event.target.checked ? [...policies, policy] : policies.filter((one) => one !== policy))
              }
            />
            {policy}
          </label>
        ))}
      </fieldset>
      <div className="row">
        <Button type="submit" look="primary" busy={change.isPending}>
          Save
        </Button>
        <Button onClick={onDone}>Leave it</Button>
      </div>
    </form>
  );
}
