import { Places } from '../reconcile/places.ts';

/** Maximum number of calls of a lane that are carried out at a time, as on a connection to libvirt. */
const most = 4;
const mostWaiting = 1_024;

/** `look`: lists and statistics. `end`: calls that end machines. `make`: all others. */
export type FakeLane = 'look' | 'make' | 'end';

/** The lanes of one connection to the fake host. */
export class FakeLanes {
  readonly #places = {
    look: new Places({ most, mostWaiting, what: 'lists' }),
    make: new Places({ most, mostWaiting, what: 'calls about machines' }),
    end: new Places({ most, mostWaiting, what: 'calls that end machines' }),
  };

  /**
   * Waits for a place; returns the function that leaves it. Errors: `exhausted`.
   * @param onQueued called when there is none at once
   */
  async enter(lane: FakeLane, onQueued: () => void): Promise<() => void> {
    const entered = Promise.withResolvers<void>();
    let isIn = false;
    const leave = this.#places[lane].enter(() => {
      isIn = true;
      entered.resolve();
    });
    if (!isIn) {
      onQueued();
      await entered.promise;
    }
    return leave;
  }
}
