import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../domain/clock.ts';
import { hasCode, type TidepoolError, toTidepoolError } from '../domain/errors.ts';
import type { ProbeResult, ProbeSpec } from '../domain/hypervisor.ts';
import { afterListening } from '../reconcile/lateness.ts';
import { probeXml } from './domain-xml.ts';
import { isLibvirtError, libvirtCode } from './errors.ts';
import { eventMeaning } from './lifecycle.ts';
import type { LibvirtLink, LifecycleEvent } from './link.ts';
import { procedures } from './procedures.ts';
import type { DomainRef } from './types.ts';
import { uuidText } from './uuid.ts';

/** VIR_DOMAIN_START_AUTODESTROY: it goes with our connection, so none is ever left behind. */
const autodestroy = 2;

type Ending = { readonly kind: 'stopped' | 'crashed'; readonly detail: string } | { readonly kind: 'late' };

/** Probe machines that run now, and who waits for their end. */
export class Probes {
  readonly #link: LibvirtLink;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, { end(ending: Ending): void; fail(error: TidepoolError): void }>();

  constructor(link: LibvirtLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  /** Whether the event was one of a probe's. */
  take({ domain, event, detail }: LifecycleEvent): boolean {
    const waiting = this.#waiting.get(uuidText(domain.uuid));
    const meaning = eventMeaning(event, detail);
    if (waiting === undefined) return false;
    if (meaning?.kind === 'stopped' || meaning?.kind === 'crashed') {
      waiting.end({ kind: meaning.kind, detail: meaning.detail });
    }
    return true;
  }

  /** The connection is lost, and every probe with it. */
  fail(reason: TidepoolError): void {
    for (const waiting of this.#waiting.values()) waiting.fail(reason);
  }

  async run(spec: ProbeSpec): Promise<ProbeResult> {
    const uuid = randomUUID();
    const startedAtMs = this.#clock.uptimeMs();
    const result = (booted: boolean, reason: string): ProbeResult => ({
      booted,
      elapsedMs: this.#clock.uptimeMs() - startedAtMs,
      reason,
    });
    // It may end before its start is answered.
    const ending = this.#waitForEnd(uuid);
    // Awaited below only once the machine is there.
    ending.catch(() => undefined);
    let cancel = (): void => undefined;
    try {
      const domain = await this.#start(uuid, spec);
      // From now: how long the daemon took to start it says nothing of the guest.
      cancel = afterListening(this.#clock, spec.timeoutMs, () => this.#waiting.get(uuid)?.end({ kind: 'late' }));
      const end = await ending.catch(async (error: unknown) => {
        // The connection that told of events was lost; the one that made the probe may be there still.
        await this.#destroy(domain).catch(() => undefined);
        throw error;
      });
      if (end.kind === 'late') await this.#destroy(domain);
      return result(end.kind === 'stopped' && end.detail === 'shutdown', explain(end, spec.timeoutMs));
    } catch (error) {
      if (hasCode(error, 'unavailable') || hasCode(error, 'timeout')) throw error;
      return result(false, toTidepoolError(error).message);
    } finally {
      cancel();
      this.#waiting.delete(uuid);
    }
  }

  async #start(uuid: string, spec: ProbeSpec): Promise<DomainRef> {
    const name = `tidepool-probe-${randomBytes(4).toString('hex')}`;
    const xml = probeXml(name, uuid, spec);
    return (await this.#link.call(procedures.domainCreateXml, { xml, flags: autodestroy })).domain;
  }

  async #destroy(domain: DomainRef): Promise<void> {
    try {
      await this.#link.call(procedures.domainDestroy, { domain, flags: 0 });
    } catch (error) {
      if (!isLibvirtError(error, libvirtCode.noDomain, libvirtCode.operationInvalid)) throw error;
    }
  }

  #waitForEnd(uuid: string): Promise<Ending> {
    return new Promise((resolve, reject) => void this.#waiting.set(uuid, { end: resolve, fail: reject }));
  }
}

function explain(end: Ending, timeoutMs: number): string {
  if (end.kind === 'late') return `it had not powered itself off after ${timeoutMs} ms`;
  if (end.kind === 'stopped' && end.detail === 'shutdown') return '';
  return `QEMU ended: ${end.detail}`;
}
