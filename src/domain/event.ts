/**
 * What happened to the cloud, for people and programs that follow it. Written once, kept (bounded), never changed.
 * Names are `<thing>.<what>`; a follower must ignore names that it does not know.
 */
export const eventNames = [
  'vm.launching',
  'vm.launched',
  'vm.warm',
  'vm.draining',
  'vm.undrained',
  'vm.removed',
  'vm.failed',
  'pool.decision',
  'pool.paused',
  'pool.resumed',
  'pool.changed',
  'service.deployed',
  'service.rolled',
  'service.failed',
  'service.started',
  'service.stopped',
  'service.deleted',
  'alert.raised',
  'alert.cleared',
] as const;
export type EventName = (typeof eventNames)[number];

export interface CloudEvent {
  /** Counts up without gaps that a follower would notice; where to go on after it. */
  readonly id: number;
  readonly atMs: number;
  readonly name: EventName;
  /** '' when it is about the server itself. */
  readonly pool: string;
  /** The VM that it is about; null when it is about the pool. */
  readonly vm: string | null;
  /** One sentence for a person. */
  readonly text: string;
  /** The numbers and reasons behind it. */
  readonly data: Readonly<Record<string, unknown>>;
}

export type NewEvent = Omit<CloudEvent, 'id'>;

/** Which events are asked for; what is left out does not matter. */
export interface EventFilter {
  readonly pool?: string | undefined;
  readonly names?: readonly EventName[] | undefined;
}

/** Whether it is one of those that are asked for. */
export function matches(event: CloudEvent, { pool, names }: EventFilter): boolean {
  return (pool === undefined || event.pool === pool) && (names === undefined || names.includes(event.name));
}
