import { QueryClientProvider, useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { Redirect, Route, Switch } from 'wouter';
import type { WhoView } from '../protocol/account.ts';
import { accountQuery, queries } from './api/queries.ts';
import { useEventStream } from './live/events.ts';
import { JobsPage } from './pages/jobs.tsx';
import { SignInPage } from './pages/sign-in.tsx';
import { Shell } from './shell.tsx';
import { Boundary } from './ui/boundary.tsx';
import { Loading, Problem } from './ui/states.tsx';
import { ToastProvider } from './ui/toasts.tsx';

const JobPage = lazy(() => import('./pages/job.tsx'));
const SubmitPage = lazy(() => import('./pages/submit.tsx'));
const PoolsPage = lazy(() => import('./pages/pools.tsx'));
const PoolPage = lazy(() => import('./pages/pool.tsx'));
const ServicesPage = lazy(() => import('./pages/services.tsx'));
const ServicePage = lazy(() => import('./pages/service.tsx'));
const DeployPage = lazy(() => import('./pages/deploy.tsx'));
const EventsPage = lazy(() => import('./pages/events.tsx'));
const MachinesPage = lazy(() => import('./pages/machines.tsx'));
const AccountPage = lazy(() => import('./pages/account.tsx'));
const UsersPage = lazy(() => import('./pages/users.tsx'));

/** Everything: the session, the pages. */
export function App() {
  return (
    <QueryClientProvider client={queries}>
      <ToastProvider>
        <Session />
      </ToastProvider>
    </QueryClientProvider>
  );
}

function Session() {
  const { data: who, error, isPending, refetch } = useQuery(accountQuery);
  if (isPending) return <Loading what="Tidepool" />;
  if (who === undefined) return <Problem error={error} retry={refetch} />;
  return who === null ? <SignInPage /> : <SignedIn who={who} />;
}

function SignedIn({ who }: { who: WhoView }) {
  useEventStream();
  return (
    <Shell who={who}>
      <Boundary>
        <Suspense fallback={<Loading what="the page" />}>
          <Switch>
            <Route path="/">
              <JobsPage who={who} />
            </Route>
            <Route path="/job-status/:user">{({ user }) => <JobsPage who={who} owner={user} />}</Route>
            <Route path="/submit">
              <SubmitPage />
            </Route>
            <Route path="/upload">
              <Redirect to="/submit" replace />
            </Route>
            <Route path="/jobs/:id">{({ id }) => <JobPage id={id} key={id} />}</Route>
            <Route path="/pools">
              <PoolsPage />
            </Route>
            <Route path="/pools/:name">{({ name }) => <PoolPage name={name} who={who} key={name} />}</Route>
            <Route path="/services">
              <ServicesPage />
            </Route>
            <Route path="/services/new">
              <DeployPage />
            </Route>
            <Route path="/services/:name">{({ name }) => <ServicePage name={name} who={who} key={name} />}</Route>
            <Route path="/machines">
              <MachinesPage who={who} />
            </Route>
            <Route path="/events">
              <EventsPage />
            </Route>
            <Route path="/account">
              <AccountPage who={who} />
            </Route>
            <Route path="/users">
              <UsersPage who={who} />
            </Route>
            <Route>
              <Problem error={new Error('There is no such page.')} />
            </Route>
          </Switch>
        </Suspense>
      </Boundary>
    </Shell>
  );
}
