import { formatTable } from '../cli/table.ts';
import { errorCodes } from '../domain/errors.ts';
import { checkSystem, installCommand } from '../setup/check.ts';
import { thisHost } from '../setup/host.ts';
import type { Check } from '../setup/requirements.ts';

export interface DoctorOptions {
  readonly json: boolean;
  print(text: string): void;
  /** Checks beside those of the system's programs and of the user: the accelerator, room on the disk, the daemon. */
  moreChecks(): Promise<readonly Check[]>;
}

/** Prints what is needed, whether it is there and how to get it. Resolves with the exit code: 0 when all is there. */
export async function runDoctor(options: DoctorOptions): Promise<number> {
  const host = thisHost();
  const checks = [...checkSystem(undefined, host), ...(await options.moreChecks())];
  const ok = checks.every((check) => check.ok);
  options.print(options.json ? JSON.stringify({ ok, checks }, null, 2) : report(checks, host.uid));
  return ok ? 0 : errorCodes.unavailable.exitCode;
}

/** The report for a person. */
export function report(checks: readonly Check[], uid: number): string {
  const rows = checks.map(({ ok, name, purpose, detail }) => {
    return [ok ? 'ok' : 'MISSING', name, purpose, detail.replaceAll(/\s+/g, ' ')];
  });
  const table = formatTable([['', 'NEEDED', 'WHAT IT DOES', 'FOUND'], ...rows]);
  const missing = checks.filter(({ ok }) => !ok);
  if (missing.length === 0) return `${table}\n\nAll is there.`;
  const packages = [...new Set(missing.flatMap((check) => check.packages))];
  const fixes = missing.filter((check) => check.packages.length === 0).map(({ fix }) => fix);
  if (packages.length > 0) fixes.unshift(installCommand(packages, { uid }));
  return `${table}\n\nTo get what is missing:\n  ${fixes.join('\n  ')}`;
}
