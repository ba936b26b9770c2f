import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { ServiceView } from '../../protocol/services.ts';
import { servicesQuery } from '../api/queries.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Page } from '../ui/page.tsx';
import { Answer, Empty } from '../ui/states.tsx';
import { Table } from '../ui/table.tsx';

/** Services, and how they are. */
export default function ServicesPage() {
  const query = useQuery(servicesQuery);
  return (
    <Page
      title="Services"
      actions={
        <Link href="/services/new" className="button">
          Deploy a service
        </Link>
      }
    >
      <Answer query={query} what="services">
        {(services) => (services.length === 0 ? <NoServices /> : <ServiceTable services={services} />)}
      </Answer>
    </Page>
  );
}

function NoServices() {
  return (
    <Empty title="No services yet">
      <p>
        A service is a Python function, or a program that listens on $PORT. It answers requests from all VMs of its
        pool, behind one address.
      </p>
      <Link href="/services/new" className="button primary">
        Deploy the first one
      </Link>
    </Empty>
  );
}

/** Where clients connect, as they write it. Pure. */
export function addressText({ protocol, address }: ServiceView): string {
  return address === null ? 'by its endpoints' : `${protocol}://${address.host}:${address.port}`;
}

function ServiceTable({ services }: { services: readonly ServiceView[] }) {
  return (
    <Table
      head={
        <>
          <th>State</th>
          <th>Service</th>
          <th>Why</th>
          <th>Address</th>
          <th className="number">VMs</th>
          <th className="number">Requests</th>
          <th className="number">Failed</th>
          <th className="number">Mean time</th>
        </>
      }
    >
      {services.map((service) => (
        <tr key={service.name}>
          <td>
            <StateBadge state={service.state} />
          </td>
          <td>
            <Link href={`/services/${service.name}`} className="strong">
              {service.name}
            </Link>
            <div className="faint">{service.owner}</div>
          </td>
          <td className="reason">{service.reason}</td>
          <td className="mono">{addressText(service)}</td>
          <td className="number nowrap">
            {service.vms.all} of {service.vms.desired ?? 0}
          </td>
          <td className="number">{service.stats.requests}</td>
          <td className="number">{service.stats.failed}</td>
          <td className="number nowrap">
            {service.stats.meanMs === null ? '' : `${service.stats.meanMs.toFixed(1)} ms`}
          </td>
        </tr>
      ))}
    </Table>
  );
}
