import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import type { TokenScope, TokenView, WhoView } from '../../protocol/account.ts';
import { answer, api } from '../api/client.ts';
import { ago, dateTime } from '../text/format.ts';
import { Button } from '../ui/button.tsx';
import { Confirm } from '../ui/dialogs.tsx';
import { Choice, Field } from '../ui/field.tsx';
import { Card, Page } from '../ui/page.tsx';
import { Secret } from '../ui/secret.tsx';
import { Answer } from '../ui/states.tsx';
import { ActionsHead, Table } from '../ui/table.tsx';
import { useAction } from '../ui/use-action.ts';
import { useNow } from '../ui/use-now.ts';

const scopes: readonly (readonly [TokenScope, string])[] = [
  ['read', 'see jobs, pools and events'],
  ['jobs', 'submit and cancel jobs'],
  ['services', 'deploy and change services'],
  ['admin', 'everything an administrator does'],
];
const dayMs = 24 * 3_600_000;

/** The own password, and tokens for programs. */
export default function AccountPage({ who }: { who: WhoView }) {
  return (
    <Page title="Password and tokens">
      <div className="columns">
        <NewToken who={who} />
        <Password />
      </div>
      <Tokens who={who} />
    </Page>
  );
}

function Password() {
  const change = useAction(
    (body: { current: string; next: string }) => answer(api.PUT('/api/v1/account/password', { body })),
    'the password is changed; other sessions have ended',
  );
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const { currentTarget } = event;
    const form = new FormData(currentTarget);
    const body = { current: String(form.get('current')), next: String(form.get('next')) };
    change.mutate(body, { onSuccess: () => currentTarget.reset() });
  };
  return (
    <Card title="Password">
      <form className="stack" onSubmit={submit}>
        <Field label="Present password" name="current" type="password" autoComplete="current-password" required />
        <Field
          label="New password"
          name="next"
          type="password"
          autoComplete="new-password"
          minLength={10}
          required
          hint="At least 10 characters."
        />
        <Button type="submit" busy={change.isPending}>
          Change it
        </Button>
      </form>
    </Card>
  );
}

function NewToken({ who }: { who: WhoView }) {
  const [made, setMade] = useState<string>();
  const [chosen, setChosen] = useState<readonly TokenScope[]>(['jobs']);
  const make = useAction(async (body: { name: string; scopes: TokenScope[]; expiresInMs: number }) => {
    setMade((await answer(api.POST('/api/v1/tokens', { body }))).token);
  }, '');
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const expiresInMs = Number(form.get('days')) * dayMs;
    make.mutate({ name: String(form.get('name')), scopes: [...chosen], expiresInMs });
  };
  return (
    <Card title="New token">
      <form className="stack" onSubmit={submit}>
        <Field label="What it is for" name="name" maxLength={64} placeholder="CI" required />
        <Choice label="Expires after" name="days" defaultValue="90">
          {[7, 30, 90, 365].map((days) => (
            <option key={days} value={days}>
              {days} days
            </option>
          ))}
        </Choice>
        <fieldset>
          <legend>It may</legend>
          {scopes
            .filter(([scope]) => scope !== 'admin' || who.role === 'admin')
            .map(([scope, text]) => (
              <label key={scope} className="check">
                <input
                  type="checkbox"
                  checked={chosen.includes(scope)}
                  onChange={(event) =>
                    setChosen(event.target.checked ? [...chosen, scope] : chosen.filter((one) => one !== scope))
                  }
                />
                {text}
              </label>
            ))}
        </fieldset>
        <Button type="submit" look="primary" busy={make.isPending} disabled={chosen.length === 0}>
          Make a token
        </Button>
      </form>
      {made !== undefined && <Secret title="The token is shown this once:" value={made} />}
    </Card>
  );
}

function Tokens({ who }: { who: WhoView }) {
  const query = useQuery({
    queryKey: ['tokens'],
    queryFn: async () => (await answer(api.GET('/api/v1/tokens'))).tokens,
  });
  return (
    <Card title="Tokens">
      <Answer query={query} what="tokens">
        {(tokens) =>
          tokens.length === 0 ? (
            <p className="faint">None. A program signs in by a token, never by a password.</p>
          ) : (
            <TokenTable tokens={tokens} showsOwner={who.role === 'admin'} />
          )
        }
      </Answer>
    </Card>
  );
}

function TokenTable({ tokens, showsOwner }: { tokens: readonly TokenView[]; showsOwner: boolean }) {
  const nowMs = useNow(10_000);
  const remove = useAction(
    (id: string) => answer(api.DELETE('/api/v1/tokens/{id}', { params: { path: { id } } })),
    'the token is worth nothing any more',
  );
  return (
    <Table
      head={
        <>
          <th>For</th>
          {showsOwner && <th>Owner</th>}
          <th>May</th>
          <th>Used</th>
          <th>Expires</th>
          <ActionsHead />
        </>
      }
    >
      {tokens.map((token) => (
        <tr key={token.id}>
          <td className="strong">{token.name}</td>
          {showsOwner && <td>{token.owner}</td>}
          <td>{token.scopes.join(', ')}</td>
          <td>{token.usedAtMs === null ? 'never' : ago(token.usedAtMs, nowMs)}</td>
          <td className={token.expiresAtMs < nowMs ? 'faint' : ''}>{dateTime(token.expiresAtMs)}</td>
          <td className="actions">
            <Confirm
              small
              button="Delete"
              label={`Delete token ${token.name}`}
              title={`Delete the token ${token.name}?`}
              text="Programs that use it are refused at once."
              action="Delete it"
              onConfirm={() => remove.mutate(token.id)}
            />
          </td>
        </tr>
      ))}
    </Table>
  );
}
