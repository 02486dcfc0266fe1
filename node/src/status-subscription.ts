import { ClosedError } from './error-kinds';
import { bridge, operate } from './operations';
import { callOptions, checkOptions, type CallOptions } from './options';
import { parse, type Status } from './status';

/**
 * A status at once, then one whenever something in it changed that matters: a peer's session or
 * refusal, nodes that are missed or back, a fork, a quarantine, damage, the disk, falling behind
 * and catching up.
 *
 * Not a queue: changes that come while nobody asks are one. What the network does is told at most
 * four times a second. Iteration ends when the node is closed. While a call waits for a change, the
 * process stays alive.
 */
export class StatusSubscription implements AsyncIterable<Status> {
  readonly #node: bigint;
  readonly #options: CallOptions;
  #seen = 0;

  /** @internal */
  constructor(node: bigint, options: CallOptions) {
    this.#node = node;
    this.#options = options;
  }

  /**
   * The next status; the first comes at once.
   * @throws ClosedError, TimeoutError, AbortError: no change is lost.
   */
  async next(options?: CallOptions): Promise<Status> {
    checkOptions('statusSubscription.next', options, callOptions);
    const limits = { ...this.#options, ...options };
    const answer = await operate('statusSubscription.next', limits, (ticket, limit) =>
      bridge.nextStatus(ticket, this.#node, this.#seen, limit),
    );
    const status = parse<Status>(answer.text as string);
    this.#seen = status.version;
    return status;
  }

  /** Every status, until the node is closed or the signal of the subscription aborts. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Status, void, undefined> {
    for (;;) {
      let status: Status;
      try {
        status = await this.next();
      } catch (error) {
        if (error instanceof ClosedError) return;
        throw error;
      }
      yield status;
    }
  }
}
