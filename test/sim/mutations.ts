/** A deliberate bug: a piece of the product's text, and what takes its place. */
export interface Mutation {
  /** Path below the repository's root. */
  readonly file: string;
  /** Is in the file once. */
  readonly from: string;
  readonly to: string;
  /** Why this is a bug. */
  readonly why: string;
  /** The seed of the random simulation that catches it. */
  readonly seed: number;
  /** How what the checker says of it begins, or a part of that. */
  readonly says: string;
}

/** Bugs that the random simulation must catch: each was put in, and found by the seed beside it. */
export const mutations: readonly Mutation[] = [
  {
    file: 'src/jobs/whereabouts.ts',
    from: "return { kind: 'unknown', why: 'it was given up and is not removed yet' };",
    to: "return { kind: 'lost', why: 'it was given up' };",
    why: 'The job of a VM that was given up is started elsewhere while its machine still runs.',
    seed: 30,
    says: 'was started while',
  },
  {
    file: 'src/jobs/whereabouts.ts',
    from: "return { kind: 'unknown', why: 'it is being removed' };",
    to: "return { kind: 'lost', why: 'it is being removed' };",
    why: 'The job of a VM that is being removed is started elsewhere before its machine is gone.',
    seed: 42,
    says: 'was started while',
  },
  {
    file: 'src/pool/steps.ts',
    from: 'if (this.#underWay.has(name) || !this',
    to: 'if (!this',
    why: 'Two steps are carried out on one VM at once.',
    seed: 4,
    says: 'was begun while its',
  },
  {
    file: 'src/pool/compare.ts',
    from: "if (expected === 'running' && machine?.pauseReason === 'no_room') return noRoom.stands(vm);",
    to: '',
    why: 'A VM whose guest stands for lack of room on the host is given up.',
    seed: 8,
    says: 'its machine is paused (suspended: I/O error)',
  },
  {
    file: 'src/pool/watch.ts',
    from: 'if (cpu === undefined || cpu >= busyCpu) return undefined;',
    to: 'if (cpu !== undefined && cpu >= busyCpu) return undefined;',
    why: 'A missing sample of CPU use is taken for evidence that a machine hangs.',
    seed: 7,
    says: 'NaN % CPU use',
  },
  {
    file: 'src/pool/watch.ts',
    from: 'if (cpu === undefined || cpu >= busyCpu) return undefined;',
    to: 'if (cpu === undefined) return undefined;',
    why: 'A guest that has much to do counts as one that hangs.',
    seed: 9,
    says: '50 % CPU use',
  },
  {
    file: 'src/pool/ages.ts',
    from: 'Math.min(this.#mostMs, uptimeMs - (this.#lookedAtMs ?? uptimeMs))',
    to: 'uptimeMs - (this.#lookedAtMs ?? uptimeMs)',
    why: 'Time in which the server stood still is charged to VMs.',
    seed: 20,
    says: 'its agent did not answer within',
  },
  {
    file: 'src/pool/steer.ts',
    from: '(isSettling ? stillShort : needed, upTo) - coming.length, room)',
    to: '(isSettling ? stillShort : needed, upTo), room)',
    why: 'VMs that are on their way up are forgotten when more are launched.',
    seed: 1,
    says: 'VMs are on their way up',
  },
  {
    file: 'src/sqlite/vms.ts',
    from: 'const result = await query.where((e) => e.not(e.exists(jobsOn(db, name)))).executeTakeFirst();',
    to: 'const result = await query.executeTakeFirst();',
    why: 'The row of a VM is deleted while a job is on it.',
    seed: 1,
    says: 'which is undefined',
  },
  {
    file: 'src/pool/controller.ts',
    from: 'return [...known, ...launching.map(([name]) => toCome(name, this.#ages.nowMs))];',
    to: 'return known;',
    why: 'Launches whose rows are not there yet are forgotten.',
    seed: 7,
    says: 'VMs are on their way up',
  },
  {
    file: 'src/pool/outdated.ts',
    from: "if (vm.imageId !== imageId) return 'its image is not that of new VMs';",
    to: '',
    why: 'VMs of an older image are never replaced.',
    seed: 7,
    says: 'are outdated',
  },
  {
    file: 'src/jobs/attempt-run.ts',
    from: '? context.link.output(agent, this.#id, copiedBytes, following)',
    to: '? context.link.output(agent, this.#id, 0, following)',
    why: 'Output is copied anew from its beginning after a broken connection.',
    seed: 1,
    says: 'has the output',
  },
  {
    file: 'src/jobs/attempt-run.ts',
    from: 'this.#isKnown = isResumed;',
    to: 'this.#isKnown = false;',
    why: 'A server does not ask whether an attempt that an earlier one began has ended.',
    seed: 1,
    says: 'has the output',
  },
];
