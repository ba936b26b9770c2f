import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import type { VmView } from '../../protocol/api.ts';
import { answer, api } from '../api/client.ts';
import { vmsQuery } from '../api/queries.ts';
import { useUsage } from '../live/use-usage.ts';
import { ago, bytes } from '../text/format.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { Confirm, Dialog } from '../ui/dialogs.tsx';
import { Answer } from '../ui/states.tsx';
import { ActionsHead, Table } from '../ui/table.tsx';
import { useAction } from '../ui/use-action.ts';
import { useNow } from '../ui/use-now.ts';
import { Console } from './console.tsx';

/** VMs and what they do. @param pool only its VMs */
export function VmTable({ pool, isAdmin }: { pool?: string; isAdmin: boolean }) {
  const query = useQuery(vmsQuery);
  const [console, setConsole] = useState<string>();
  return (
    <Answer query={query} what="machines">
      {(all) => {
        const vms = all.filter((vm) => pool === undefined || vm.pool === pool);
        if (vms.length === 0) return <p className="faint">There are none at present.</p>;
        return (
          <>
            <Table
              head={
                <>
                  <th>State</th>
                  <th>VM</th>
                  {pool === undefined && <th>Pool</th>}
                  <th>Why</th>
                  <th>Since</th>
                  <th className="number">CPU</th>
                  <th className="number">Memory</th>
                  <th>Jobs</th>
                  {isAdmin && <ActionsHead />}
                </>
              }
            >
              {vms.map((vm) => (
                <VmRow key={vm.name} vm={vm} showsPool={pool === undefined} isAdmin={isAdmin} onConsole={setConsole} />
              ))}
            </Table>
            <Dialog
              title={`Console of ${console ?? ''}`}
              open={console !== undefined}
              onClose={() => setConsole(undefined)}
              wide
            >
              {console !== undefined && <Console vm={console} />}
            </Dialog>
          </>
        );
      }}
    </Answer>
  );
}

interface RowProps {
  readonly vm: VmView;
  readonly showsPool: boolean;
  readonly isAdmin: boolean;
  onConsole(vm: string): void;
}

function VmRow({ vm, showsPool, isAdmin, onConsole }: RowProps) {
  const nowMs = useNow();
  const { data: usage } = useUsage();
  const last = usage?.find((one) => one.vm === vm.name)?.samples.at(-1);
  return (
    <tr>
      <td>
        <StateBadge state={vm.state} />
      </td>
      <td>
        <span className="strong">{vm.name}</span>
        <div className="faint">{vm.flavor}</div>
      </td>
      {showsPool && (
        <td>
          <Link href={`/pools/${vm.pool}`}>{vm.pool}</Link>
        </td>
      )}
      <td>{vm.reason}</td>
      <td className="nowrap">{ago(vm.stateSinceMs, nowMs)}</td>
      <td className="number nowrap">{last === undefined ? '' : `${Math.round(last.cpu * 100)} %`}</td>
      <td className="number nowrap">{last === undefined ? '' : bytes(last.memoryBytes)}</td>
      <td>
        {vm.jobs.map((id) => (
          <Link key={id} href={`/jobs/${id}`} className="mono job-link">
            {id}
          </Link>
        ))}
      </td>
      {isAdmin && (
        <td className="actions">
          <VmButtons vm={vm} onConsole={onConsole} />
        </td>
      )}
    </tr>
  );
}

function VmButtons({ vm: { name, state }, onConsole }: { vm: VmView; onConsole: (vm: string) => void }) {
  const params = { path: { name } };
  const drain = useAction(
    () => answer(api.POST('/api/v1/vms/{name}/drain', { params })),
    `${name} gets no more work, and goes when it has finished`,
  );
  const remove = useAction(() => answer(api.DELETE('/api/v1/vms/{name}', { params })), `${name} is being removed`);
  const mayDrain = state === 'ready' || state === 'warm';
  return (
    <>
      <Button small onClick={() => onConsole(name)} aria-label={`Console of ${name}`}>
        Console
      </Button>
      <Button
        small
        disabled={!mayDrain}
        busy={drain.isPending}
        onClick={() => drain.mutate()}
        aria-label={`Drain ${name}`}
      >
        Drain
      </Button>
      <Confirm
        small
        button="Delete"
        label={`Delete ${name}`}
        title={`Delete ${name} at once?`}
        text="Jobs on it are started again elsewhere. Its pool makes another VM if it needs one."
        action="Delete it"
        onConfirm={() => remove.mutate()}
      />
    </>
  );
}
