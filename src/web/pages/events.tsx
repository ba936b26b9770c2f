import { useState } from 'react';
import { Link } from 'wouter';
import type { EventView } from '../../protocol/api.ts';
import { openAlerts } from '../live/alerts.ts';
import { useLive } from '../live/events.ts';
import { dateTime, timeOfDay } from '../text/format.ts';
import { Choice } from '../ui/field.tsx';
import { Card, Page } from '../ui/page.tsx';
import { Empty, Loading } from '../ui/states.tsx';
import { useNow } from '../ui/use-now.ts';

const kinds = { vm: 'machines', pool: 'pools and decisions', service: 'services', alert: 'alerts' } as const;

/** What should be looked at, and everything that has happened, as it happens. */
export default function EventsPage() {
  const { events, state } = useLive();
  const [kind, setKind] = useState('');
  const nowMs = useNow(5_000);
  const alerts = openAlerts(events, nowMs);
  const shown = events.filter(({ name }) => name.startsWith(kind));
  return (
    <Page title="Events and alerts">
      <Card title="Alerts">
        {alerts.length === 0 ? <p className="faint">None. All is well.</p> : <Happenings events={alerts} />}
      </Card>
      <Card
        title="Events"
        actions={
          <Choice label="Show" value={kind} onChange={(event) => setKind(event.target.value)}>
            <option value="">everything</option>
            {Object.entries(kinds).map(([value, label]) => (
              <option key={value} value={`${value}.`}>
                {label}
              </option>
            ))}
          </Choice>
        }
      >
        {shown.length > 0 ? (
          <Happenings events={shown} />
        ) : state === 'connecting' ? (
          <Loading what="events" />
        ) : (
          <Empty title="Nothing has happened yet" />
        )}
      </Card>
    </Page>
  );
}

function Happenings({ events }: { events: readonly EventView[] }) {
  return (
    <ol className="happenings">
      {events.map((event) => (
        <li key={event.id} className={looks[event.name] ?? ''}>
          <time dateTime={new Date(event.atMs).toISOString()} title={dateTime(event.atMs)} className="faint">
            {timeOfDay(event.atMs)}
          </time>{' '}
          <span className="strong">{event.vm ?? ''}</span> {event.text}{' '}
          {event.pool !== '' && (
            <Link href={`/pools/${event.pool}`} className="faint">
              {event.pool}
            </Link>
          )}
        </li>
      ))}
    </ol>
  );
}

const looks: Readonly<Record<string, string>> = {
  'vm.failed': 'bad',
  'alert.raised': 'bad',
  'service.failed': 'bad',
  'vm.launched': 'good',
  'alert.cleared': 'good',
  'service.rolled': 'good',
};
