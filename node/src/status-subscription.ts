import { ClosedError } from './error-kinds';
import { bridge, operate } from './operations';
import { callOptions, checkOptions, limitsOf, type CallOptions } from './options';
import { eitherOf } from './signals';
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
   * The next status; the first comes at once. `timeoutMs` holds in place of the subscription's, and
   * `signal` beside its own.
   * @throws InvalidArgumentError an option has the wrong type; ClosedError, TimeoutError,
   * AbortError: no change is lost.
   */
  async next(options?: CallOptions): Promise<Status> {
    const call = 'statusSubscription.next';
    checkOptions(call, options, callOptions);
    const { signal, ...limits } = limitsOf(call, options);
    const either = eitherOf(this.#options.signal, signal);
    const bounds = { ...this.#options, ...limits, signal: either.signal };
    try {
      const answer = await operate(call, bounds, (ticket, limit) =>
        bridge.nextStatus(ticket, this.#node, this.#seen, limit),
      );
      const status = parse<Status>(answer.text as string);
      this.#seen = status.version;
      return status;
    } finally {
      either.release();
    }
  }

  /**
   * Every status, until the node is closed.
   * @throws TimeoutError: nothing changed within the subscription's `timeoutMs`; AbortError.
   */
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
