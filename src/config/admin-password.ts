/**
 * The first administrator's password, as who starts the server chose it. It is taken out of the environment, so that no
 * program that the server starts sees it.
 */
export function takeAdminPassword(): string | undefined {
  const { TIDEPOOL_ADMIN_PASSWORD: password } = process.env;
  delete process.env.TIDEPOOL_ADMIN_PASSWORD;
  return password === '' ? undefined : password;
}
