/** Calls that are answered one after the other, in the order in which they were made. */
import { within } from './operations';
import type { CallOptions } from './options';

/** Calls that stand in line. */
export class Line {
  /** The last call that had to wait: the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Takes `step` when the calls before are answered, unless the signal or the timeout of `left`
   * ends the wait before. What ends the calls before is left out of it.
   */
  enqueue<T>(left: CallOptions, step: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const result = within(before, left).then(step);
    this.#last = before.then(() => result).catch(() => {});
    return result;
  }
}
