import { systemClock } from '../clock/system-clock.ts';
import { ensureDaemons } from '../setup/daemons.ts';
import { installMissing } from '../setup/install.ts';
import { type Requirement, requirementsOf } from '../setup/requirements.ts';
import { progressDisplay } from './progress.ts';

/**
 * Makes the system ready: missing packages are installed where that needs no question, and the libvirt daemon answers.
 * Takes milliseconds when all is there. Error `unavailable`, with the commands that a person must run.
 */
export async function ensureSystem(
  requirements: readonly Requirement[] = requirementsOf('server'),
  signal?: AbortSignal,
): Promise<void> {
  const display = progressDisplay('system packages');
  await installMissing({ clock: systemClock, signal, requirements, report: display.show }).finally(display.end);
  await ensureDaemons({ clock: systemClock });
}
