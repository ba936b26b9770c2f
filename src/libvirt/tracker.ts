import type { Machine, MachineEvent, MachineState } from '../domain/hypervisor.ts';
import { eventForChange, eventMeaning, stateAfterEvent } from './lifecycle.ts';

interface Known {
  readonly name: string;
  state: MachineState;
  /** Whether libvirt has told of it: one that is only just being defined is not yet in any list. */
  seen: boolean;
  /** It has not been seen running since it was made: QEMU begins with its CPUs stopped, which a list shows as paused. */
  isStarting: boolean;
}

/**
 * Which domains are ours and in which state they were last, so that events can be told from those of strangers, a
 * domain that is gone can still be named, and changes that happened unseen become events too. By UUID.
 */
export class MachineTracker {
  readonly #known = new Map<string, Known>();
  /** While a list is read: whom events told of since it was asked for. */
  #heardOf: Set<string> | undefined;

  knows(uuid: string): boolean {
    return this.#known.has(uuid);
  }

  /** Before a machine is defined, so that its first event finds it. */
  expect(uuid: string, name: string): void {
    this.#known.set(uuid, { name, state: 'off', seen: false, isStarting: true });
  }

  /** A machine that was expected could not be defined. */
  forget(uuid: string): void {
    this.#known.delete(uuid);
  }

  /** To be called before a list is asked for: of whom an event tells from now on, the event is newer than the list. */
  beginList(): void {
    this.#heardOf = new Set();
  }

  /** What an event of libvirt means for one of our machines; undefined when it is no news. */
  apply(uuid: string, eventNumber: number, detailNumber: number): MachineEvent | undefined {
    const known = this.#known.get(uuid);
    const meaning = eventMeaning(eventNumber, detailNumber);
    // One that tells no state makes the list older only for a machine that is new.
    if (meaning !== undefined || known?.seen === false) this.#heardOf?.add(uuid);
    if (known !== undefined) known.seen = true;
    if (known === undefined || meaning === undefined) return undefined;
    // A start sends `resumed` before `started`: QEMU always begins with its CPUs stopped.
    if (meaning.kind === 'resumed' && known.state !== 'paused') return undefined;
    const after = stateAfterEvent(meaning.kind);
    if (after === known.state) return undefined;
    if (after === 'gone') this.#known.delete(uuid);
    else known.state = after;
    known.isStarting = false;
    return { name: known.name, ...meaning };
  }

  /** Compares with a full list; what differs comes back as the events that were missed. */
  observe(machines: readonly Machine[]): MachineEvent[] {
    const events: MachineEvent[] = [];
    const heardOf = this.#heardOf ?? new Set();
    this.#heardOf = undefined;
    const seen = new Map(machines.map((machine) => [machine.uuid, machine]));
    for (const [uuid, known] of [...this.#known]) {
      if (seen.has(uuid) || !known.seen || heardOf.has(uuid)) continue;
      this.#known.delete(uuid);
      events.push({ name: known.name, kind: 'gone', detail: 'found gone' });
    }
    for (const { uuid, name, state } of machines) {
      if (heardOf.has(uuid)) continue;
      const known = this.#known.get(uuid);
      const isStarting = known?.isStarting === true && (state === 'off' || state === 'paused');
      const now = isStarting ? 'off' : state;
      const kind = eventForChange(known?.state ?? 'off', now);
      this.#known.set(uuid, { name, state: now, seen: true, isStarting });
      if (kind !== undefined) events.push({ name, kind, detail: `found ${state}` });
    }
    return events;
  }
}
