import { ApiClient } from '../cli/client.ts';
import { findServer } from '../config/connection.ts';

/** Finds the server that is meant now, and each time anew. Errors: `unavailable` when none runs. */
export async function sameServer(
  dataDir: string | undefined,
): Promise<() => Promise<{ client: ApiClient; server: string }>> {
  const first = await findServer(dataDir);
  return async () => {
    // After a restart our server may be at another port; another server that runs here is not it.
    const found = await findServer(dataDir).catch(() => first);
    const { url, token } = found.token === first.token ? found : first;
    return { client: new ApiClient({ url, token }), server: url };
  };
}
