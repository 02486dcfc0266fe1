import type { EventBatch } from './batch';
import type { CausalOptions } from './causal';
import type { Event } from './event';
import { refuse } from './failures';
import { native } from './native';
import { Offsets } from './offsets';
import type { CallOptions } from './options';
import { Reading, type Source } from './reading';

/** The options of {@link Node.subscribe}. */
export interface SubscribeOptions extends CallOptions, CausalOptions {
  /**
   * Where to begin: with the first event (`beginning`, the default), with what is published or
   * received after the call (`now`), or after an offset map or its token. In the order of keys:
   * with the first event, or at the {@link Subscription.positionText} of one in that order.
   */
  readonly from?: 'beginning' | 'now' | Offsets | string | undefined;
  /**
   * `durable` (the default): events that are on this node's disk. `live`: as soon as they are
   * verified here, before they are on any disk. A power cut may take a live event back; then what
   * its stream has there instead is delivered. {@link EventBatch.isDurable} says which they are,
   * and {@link Subscription.position} counts only what is durable.
   */
  readonly delivery?: 'durable' | 'live' | undefined;
  /**
   * `arrival` (the default): each stream in its order. `key`: in the one order that all nodes agree
   * on; where an event comes late there is a way back ({@link EventBatch.isRewind}), so it is read
   * in batches. Then `delivery` is `durable`.
   */
  readonly order?: 'arrival' | 'key' | undefined;
}

/**
 * A query that stays open: every matching event from an offset map on, each stream in its order,
 * then live, with no gap and no duplicate at the seam.
 *
 * It is a cursor over the log, not a queue: one that is not read costs nothing and loses nothing.
 * It ends when it or its node is closed, or with an error, never in silence. While a call waits for
 * an event, the process stays alive.
 */
export class Subscription<P> extends Reading<P> {
  /** Where the batch that is being delivered began. */
  #before: Offsets;
  #caughtUp = false;
  readonly #order: string | undefined;
  /** Where it was told to begin. */
  readonly #from: string | undefined;

  /** @internal */
  constructor(
    source: Source,
    options: CallOptions,
    begin: { before: Offsets; from: string | undefined; order: string | undefined },
  ) {
    super(source, options);
    this.#before = begin.before;
    this.#from = begin.from;
    this.#order = begin.order;
  }

  /**
   * The next event, or the end. Calls that overlap are answered in their order.
   * @throws InvalidArgumentError it is one in the order of keys: take batches, a way back is no
   * event; what it failed with, TimeoutError, AbortError.
   */
  override next(): Promise<IteratorResult<Event<P>, undefined>> {
    if (this.#order !== 'key') return super.next();
    const message =
      'a subscription in the order of keys gives ways back beside events; take batches: ' +
      'for await (const batch of subscription.batches())';
    return Promise.reject(refuse(message));
  }

  /**
   * True once every event was delivered that the log held when it began. To wait for that moment
   * when there may be no event, take batches: the one that catches up comes even when it is empty.
   * In the order of keys: whether the last batch had caught up.
   */
  get caughtUp(): boolean {
    const { batch, delivered } = this.delivery;
    if (this.#order === 'key') return batch?.caughtUp === true;
    return this.#caughtUp || (batch?.caughtUp === true && delivered === batch.length);
  }

  /**
   * How many events of the log it has not passed, matching or not: an upper bound on what is left.
   * Undefined until it has been opened; after its end the last known.
   */
  get lag(): number | undefined {
    const { batch, delivered } = this.delivery;
    const held = batch === undefined ? 0 : batch.length - delivered;
    const { handle } = this;
    if (handle !== undefined) {
      try {
        return native.subscriptionLag(handle) + held;
      } catch {
        // Closed with its node.
      }
    }
    return batch === undefined ? undefined : batch.lag + held;
  }

  /**
   * What was delivered, as offsets: hand it to `from` of a later subscription to the same query to
   * go on after the event that was delivered last.
   */
  get position(): Offsets {
    const { batch, delivered } = this.delivery;
    if (batch === undefined) return this.#before;
    // What is not durable does not count; the batch's own position knows.
    if (delivered === batch.length || !batch.isDurable) return batch.position;
    const counts = new Map<string, number>();
    for (const { stream, offset } of batch.events.slice(0, delivered)) {
      counts.set(stream, offset + 1);
    }
    return this.#before.join(Offsets.from(counts));
  }

  /**
   * Where another subscription of the same query and order goes on: hand it to `from`. In the
   * order of arrival it is the token of {@link Subscription.position}. Undefined while one in the
   * order of keys is at the beginning.
   */
  get positionText(): string | undefined {
    if (this.#order !== 'key') return this.position.token;
    return this.delivery.batch?.positionText ?? this.#from;
  }

  /** @internal */
  protected override arrived(_batch: EventBatch<P>, before: EventBatch<P> | undefined): void {
    if (before === undefined) return;
    this.#before = before.position;
    this.#caughtUp ||= before.caughtUp;
  }
}
