import { useQuery } from '@tanstack/react-query';
import type { WhoView } from '../../protocol/account.ts';
import { answer, api } from '../api/client.ts';
import { refreshMs, vmsQuery } from '../api/queries.ts';
import { many } from '../text/format.ts';
import { Card, Facts, Page } from '../ui/page.tsx';
import { Answer } from '../ui/states.tsx';
import { VmTable } from './vm-table.tsx';

/** The server, all VMs, and which images and runtimes they have. */
export default function MachinesPage({ who }: { who: WhoView }) {
  const health = useQuery({
    queryKey: ['health'],
    queryFn: () => answer(api.GET('/api/v1/health')),
    refetchInterval: refreshMs,
  });
  const vms = useQuery(vmsQuery);
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
        <Card title="Images and runtimes">
          <Answer query={vms} what="images">
            {(all) => (
              <Facts
                facts={[
                  ...counted(all.map(({ imageId }) => imageId)).map(
                    ([id, count]) => [`Image ${id}`, many(count, 'VM')] as const,
                  ),
                  ...counted(all.flatMap(({ runtimes }) => runtimes)).map(
                    ([name, count]) => [`Runtime ${name}`, many(count, 'VM')] as const,
                  ),
                ]}
              />
            )}
          </Answer>
          <p className="hint">
            Those that VMs have now. ./tidepool image list and runtime list show all that are built.
          </p>
        </Card>
      </div>
      <Card title="VMs">
        <VmTable isAdmin={who.role === 'admin'} />
      </Card>
    </Page>
  );
}

function counted(names: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort();
}
