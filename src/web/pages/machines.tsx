import { useQuery } from '@tanstack/react-query';
import { Fragment } from 'react';
import type { WhoView } from '../../protocol/account.ts';
import type { VmView } from '../../protocol/api.ts';
import type { RuntimeView } from '../../protocol/runtimes.ts';
import { answer, api } from '../api/client.ts';
import { hostsQuery, refreshMs, runtimesQuery, vmsQuery } from '../api/queries.ts';
import { bytes, many } from '../text/format.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Card, Facts, Page } from '../ui/page.tsx';
import { Answer } from '../ui/states.tsx';
import { VmTable } from './vm-table.tsx';

/** The server, hosts, all VMs, and which images and runtimes they have. */
export default function MachinesPage({ who }: { who: WhoView }) {
  const health = useQuery({
    queryKey: ['health'],
    queryFn: () => answer(api.GET('/api/v1/health')),
    refetchInterval: refreshMs,
  });
  return (
    <Page title="Machines">
      <div className="columns">
        <Card title="Server">
          <Answer query={health} what="the server's state">
            {({ status, version, readyVms }) => (
              <Facts
                facts={[
                  ['State', status],
                  ['Version', version],
                  ['Ready', many(readyVms, 'VM')],
                ]}
              />
            )}
          </Answer>
        </Card>
        <Hosts />
      </div>
      <Images />
      <Card title="VMs">
        <VmTable isAdmin={who.role === 'admin'} />
      </Card>
    </Page>
  );
}

/** Where VMs run: what is there, and what VMs take of it. */
function Hosts() {
  const query = useQuery(hostsQuery);
  return (
    <Card title="Hosts">
      <Answer query={query} what="hosts">
        {(hosts) =>
          hosts.map((host) => (
            <section key={host.name} aria-label={host.name}>
              <Facts
                facts={[
                  ['Name', host.name],
                  [
                    'State',
                    <Fragment key="state">
                      <StateBadge state={host.state} /> {host.reason}
                    </Fragment>,
                  ],
                  [
                    'Hypervisor',
                    `${host.hypervisor ?? 'unknown'} (${host.accelerator}), libvirt ${host.libvirt ?? 'unknown'}`,
                  ],
                  ['CPUs', `${host.cpus ?? 'unknown'}; VMs have ${host.vms.vcpus}`],
                  ['Memory', `${memory(host.memoryBytes)}; VMs have ${bytes(host.vms.memoryBytes)}`],
                  ['VMs', String(host.vms.count)],
                ]}
              />
            </section>
          ))
        }
      </Answer>
    </Card>
  );
}

function memory(sizeBytes: number | null): string {
  return sizeBytes === null ? 'unknown' : bytes(sizeBytes);
}

/** What VMs are cloned from and jobs run in, with how many VMs have it. */
function Images() {
  const query = useQuery(runtimesQuery);
  const { data: vms = [] } = useQuery(vmsQuery);
  const having = (test: (vm: VmView) => boolean): string => many(vms.filter(test).length, 'VM');
  return (
    <Card title="Images and runtimes">
      <Answer query={query} what="runtimes">
        {({ runtimes, image }) => {
          const older = [...new Set(vms.map(({ imageId }) => imageId))].filter((id) => id !== image.id);
          return (
            <Facts
              facts={[
                [
                  'VM image',
                  `${image.id}, ${bytes(image.sizeBytes)}, ${having(({ imageId }) => imageId === image.id)}`,
                ],
                ...(older.length === 0
                  ? []
                  : [
                      [
                        'Older images',
                        older.map((id) => `${id}, ${having(({ imageId }) => imageId === id)}`).join('; '),
                      ] as const,
                    ]),
                ...runtimes.map(
                  (runtime) =>
                    [
                      `Runtime ${runtime.name}`,
                      <RuntimeState
                        key={runtime.name}
                        runtime={runtime}
                        vms={having((vm) => vm.runtimes.includes(runtime.name))}
                      />,
                    ] as const,
                ),
              ]}
            />
          );
        }}
      </Answer>
    </Card>
  );
}

function RuntimeState({ runtime, vms }: { runtime: RuntimeView; vms: string }) {
  const { state, text, sizeBytes, isImage } = runtime;
  if (state === 'built') return `${bytes(sizeBytes ?? 0)}${isImage ? ', of a container image' : ''}, ${vms}`;
  if (state === 'missing') return 'built when it is first asked for';
  return (
    <>
      <StateBadge state={state} /> {text}
    </>
  );
}
