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
            <Route>
              <Problem error={new Error('There is no such page.')} />
            </Route>
          </Switch>
        </Suspense>
      </Boundary>
    </Shell>
  );
}
