import { useInfiniteQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { Link } from 'wouter';
import type { Role, UserView, WhoView } from '../../protocol/account.ts';
import { answer, api } from '../api/client.ts';
import { dateTime } from '../text/format.ts';
import { Button } from '../ui/button.tsx';
import { Confirm } from '../ui/dialogs.tsx';
import { Choice, Field } from '../ui/field.tsx';
import { Card, Page } from '../ui/page.tsx';
import { Secret } from '../ui/secret.tsx';
import { Loading, Problem } from '../ui/states.tsx';
import { ActionsHead, Table } from '../ui/table.tsx';
import { useAction } from '../ui/use-action.ts';

interface Made {
  readonly name: string;
  readonly password: string;
}

/** Users, for administrators. */
export default function UsersPage({ who }: { who: WhoView }) {
  const [made, setMade] = useState<Made>();
  const query = useInfiniteQuery({
    queryKey: ['users'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: cursor }) => answer(api.GET('/api/v1/users', { params: { query: { cursor } } })),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
  });
  const users = query.data?.pages.flatMap((page) => page.users);
  return (
    <Page title="Users">
      {made !== undefined && (
        <Secret title={`The password of ${made.name} is shown this once:`} value={made.password} />
      )}
      <NewUser onMade={setMade} />
      <Card title="All users">
        {users === undefined ? (
          query.error === null ? (
            <Loading what="users" />
          ) : (
            <Problem error={query.error} retry={query.refetch} />
          )
        ) : (
          <Table
            head={
              <>
                <th>Name</th>
                <th>Role</th>
                <th>State</th>
                <th>Since</th>
                <ActionsHead />
              </>
            }
          >
            {users.map((user) => (
              <UserRow key={user.name} user={user} isSelf={user.name === who.name} onMade={setMade} />
            ))}
          </Table>
        )}
        {query.hasNextPage && <Button onClick={() => void query.fetchNextPage()}>More users</Button>}
      </Card>
    </Page>
  );
}

function NewUser({ onMade }: { onMade: (made: Made) => void }) {
  const add = useAction(
    async (body: { name: string; role: Role }) => {
      const { name, password } = await answer(api.POST('/api/v1/users', { body }));
      onMade({ name, password: password ?? '' });
    },
    ({ name }) => `${name} is added`,
  );
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const { currentTarget } = event;
    const form = new FormData(currentTarget);
    const body = { name: String(form.get('name')), role: String(form.get('role')) as Role };
    add.mutate(body, { onSuccess: () => currentTarget.reset() });
  };
  return (
    <Card title="New user">
      <form className="filters" onSubmit={submit}>
        <Field label="Name" name="name" autoCapitalize="none" autoComplete="off" maxLength={32} required />
        <Choice label="Role" name="role" defaultValue="user">
          <option value="user">user</option>
          <option value="admin">administrator</option>
        </Choice>
        <Button type="submit" look="primary" busy={add.isPending}>
          Add, with a new password
        </Button>
      </form>
    </Card>
  );
}

function UserRow({ user, isSelf, onMade }: { user: UserView; isSelf: boolean; onMade: (made: Made) => void }) {
  const { name, role, disabled, createdAtMs } = user;
  const params = { path: { name } };
  const change = useAction(
    (body: { role?: Role; disabled?: boolean }) => answer(api.PATCH('/api/v1/users/{name}', { params, body })),
    `${name} is changed`,
  );
  const reset = useAction(async () => {
    const { password } = await answer(api.PUT('/api/v1/users/{name}/password', { params, body: {} }));
    onMade({ name, password: password ?? '' });
  }, `${name} has a new password`);
  const remove = useAction(() => answer(api.DELETE('/api/v1/users/{name}', { params })), `${name} is deleted`);
  return (
    <tr>
      <td>
        <Link href={`/job-status/${name}`} className="strong">
          {name}
        </Link>
      </td>
      <td>{role === 'admin' ? 'administrator' : 'user'}</td>
      <td>{disabled ? <span className="badge warn">disabled</span> : <span className="badge good">active</span>}</td>
      <td className="nowrap">{dateTime(createdAtMs)}</td>
      <td className="actions">
        {!isSelf && (
          <>
            <Button
              small
              onClick={() => change.mutate({ role: role === 'admin' ? 'user' : 'admin' })}
              aria-label={`${role === 'admin' ? 'Make a user' : 'Make an administrator'}: ${name}`}
            >
              {role === 'admin' ? 'Make a user' : 'Make an administrator'}
            </Button>
            <Button
              small
              onClick={() => change.mutate({ disabled: !disabled })}
              aria-label={`${disabled ? 'Enable' : 'Disable'} ${name}`}
            >
              {disabled ? 'Enable' : 'Disable'}
            </Button>
            <Button small onClick={() => reset.mutate()} aria-label={`New password for ${name}`}>
              New password
            </Button>
            <Confirm
              small
              button="Delete"
              label={`Delete ${name}`}
              title={`Delete the user ${name}?`}
              text="Sessions and tokens end, the name is given to nobody again. Jobs stay."
              action="Delete"
              onConfirm={() => remove.mutate()}
            />
          </>
        )}
      </td>
    </tr>
  );
}
