import type { ApiClient } from '../../src/cli/client.ts';
import type { Random } from '../sim/random.ts';
import type { Installation } from './installation.ts';
import type { Story } from './story.ts';
import type { Witness } from './witness.ts';

/** What a fault may use. */
export interface FaultContext {
  readonly installation: Installation;
  readonly random: Random;
  readonly story: Story;
  readonly witness: Witness;
  readonly pool: string;
  readonly service: string;
  client(): Promise<ApiClient>;
  /** Waits; ends early when the soak does. */
  pause(ms: number): Promise<void>;
}

/** One kind of bad luck. */
export interface Fault {
  readonly name: string;
  /** How likely the kind is, beside the others. */
  readonly weight: number;
  /** Two faults of one group are never made at the same time; '' is no group. */
  readonly group: string;
  /** Whether this machine and user allow it; a sentence that says why not. */
  isPossible(context: FaultContext): true | string;
  /**
   * Does it and undoes it. Resolves with what was done, for the story; undefined when there was nothing to do it to. Whatever
   * happens, nothing stays stopped, full, or cut off.
   */
  make(context: FaultContext): Promise<string | undefined>;
}
