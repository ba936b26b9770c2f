import { openTestWeb } from '../accounts/server.ts';
import { openTestAccounts } from '../accounts/support.ts';

/** The OpenAPI document, as the server gives it out. */
export async function openApiDocument(): Promise<unknown> {
  await using web = await openTestWeb(await openTestAccounts());
  return (await fetch(`${web.url}/api/openapi.json`)).json();
}
