/**
 * Makes what the VM stages need beside the system's packages: the golden image and the runtimes. Called once, before the
 * unit tests, so that long builds go on beside them; the first stage that needs the image waits for it.
 */
export async function prepare(_signal: AbortSignal, _log: (line: string) => void): Promise<void> {}
