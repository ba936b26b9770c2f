import { QueryCache, QueryClient, queryOptions } from '@tanstack/react-query';
import type { WhoView } from '../../protocol/account.ts';
import { ApiError, answer, api } from './client.ts';

/** How often lists that have no stream are asked for again. */
export const refreshMs = 2_000;
const longestRetryMs = 15_000;

/** Everything that was asked for, shared by all pages. A session that has ended leads to the sign-in page. */
export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError(error) {
      if (error instanceof ApiError && error.status === 401) queries.setQueryData(['account'], null);
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 1_000,
      // A refusal is an answer; only silence is worth another try.
      retry: (count, error) => count < 2 && error instanceof ApiError && error.status === 0,
      retryDelay: (count) => Math.min(1_000 * 2 ** count, longestRetryMs),
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

/** Who is signed in; null when nobody is. */
export const accountQuery = queryOptions({
  queryKey: ['account'],
  staleTime: 60_000,
  async queryFn(): Promise<WhoView | null> {
    try {
      return await answer(api.GET('/api/v1/account'));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
});

export const poolsQuery = queryOptions({
  queryKey: ['pools'],
  queryFn: () => answer(api.GET('/api/v1/pools')),
  refetchInterval: refreshMs,
});

export const vmsQuery = queryOptions({
  queryKey: ['vms'],
  queryFn: async () => (await answer(api.GET('/api/v1/vms'))).vms,
  refetchInterval: refreshMs,
});

export const hostsQuery = queryOptions({
  queryKey: ['hosts'],
  queryFn: async () => (await answer(api.GET('/api/v1/hosts'))).hosts,
  refetchInterval: refreshMs,
});

export const runtimesQuery = queryOptions({
  queryKey: ['runtimes'],
  queryFn: () => answer(api.GET('/api/v1/runtimes')),
  refetchInterval: refreshMs,
});

export const servicesQuery = queryOptions({
  queryKey: ['services'],
  queryFn: async () => (await answer(api.GET('/api/v1/services'))).services,
  refetchInterval: refreshMs,
});
