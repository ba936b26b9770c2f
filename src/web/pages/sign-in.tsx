import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import { answer, api } from '../api/client.ts';
import { queries } from '../api/queries.ts';
import { Button } from '../ui/button.tsx';
import { Field } from '../ui/field.tsx';
import { sentence } from '../ui/states.tsx';

/** Name and password; making an account where that is open to anybody. */
export function SignInPage() {
  const [isNew, setNew] = useState(false);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const { data: signUp } = useQuery({ queryKey: ['signup'], queryFn: () => answer(api.GET('/api/v1/signup')) });
  useEffect(() => {
    document.title = 'Sign in · Tidepool';
  }, []);
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const body = { name: String(form.get('name')), password: String(form.get('password')) };
    setBusy(true);
    setError(undefined);
    try {
      if (isNew) await answer(api.POST('/api/v1/signup', { body }));
      await answer(api.POST('/api/v1/session', { body }));
      await queries.invalidateQueries();
    } catch (problem) {
      setError(sentence(problem));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form className="card" onSubmit={(event) => void submit(event)}>
        <h1>
          <img src="/icon.svg" alt="" width="36" height="36" /> Tidepool
        </h1>
        <p className="faint">Python on virtual machines of your own: jobs that run once, services that answer.</p>
        <Field label="Name" name="name" autoComplete="username" autoCapitalize="none" required autoFocus />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
          required
          hint={isNew ? 'At least 10 characters.' : undefined}
        />
        {error !== undefined && (
          <p className="note bad" role="alert">
            {error}
          </p>
        )}
        <Button type="submit" look="primary" busy={busy}>
          {isNew ? 'Make the account' : 'Sign in'}
        </Button>
        {signUp?.open === true && (
          <Button look="quiet" onClick={() => setNew(!isNew)}>
            {isNew ? 'I have an account' : 'Make an account'}
          </Button>
        )}
        <details>
          <summary>First time here?</summary>
          <p>
            The first start of the server makes the user <code>admin</code> and prints the password once, in the line{' '}
            <q>first start: the administrator is admin</q>. If it is gone, run{' '}
            <code>./tidepool user password admin</code> on the server's machine. Everybody else gets an account from an
            administrator.
          </p>
        </details>
      </form>
    </main>
  );
}
