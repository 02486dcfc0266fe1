import { TimeoutError } from './error-kinds';
import type { Event } from './event';
import { guard } from './failures';
import { native } from './native';
import { Offsets } from './offsets';
import { callOptions, checkOptions, type CallOptions } from './options';
import { Reading } from './reading';

/** The options of {@link Node.query}. */
export interface QueryOptions extends CallOptions {
  /**
   * `ascending` (the order of keys; the default), `descending`, or `stream` (each stream in its
   * order, one after the other).
   */
  readonly order?: 'ascending' | 'descending' | 'stream' | undefined;
  /** Only events that these offsets, or their token, do not count. */
  readonly lower?: Offsets | string | undefined;
  /** Only events that these offsets, or their token, count. Default: what is durable here now. */
  readonly upper?: Offsets | string | undefined;
}

/**
 * The answer to a query over one state of the log ({@link Query.upper}), streamed in batches. It
 * ends by itself.
 */
export class Query<P> extends Reading<P> {
  /**
   * All events that are left, in memory.
   * @throws TimeoutError, AbortError, and what the query failed with; what it had read until then
   * is lost.
   */
  async toArray(options?: CallOptions): Promise<Event<P>[]> {
    checkOptions('query.toArray', options, callOptions);
    const left = this.bounds('query.toArray', options);
    const events: Event<P>[] = [];
    for (;;) {
      const batch = await this.batch(undefined, left);
      if (batch === undefined) return events;
      for (const event of batch.events) events.push(event);
      // A batch that was read ahead is given out at once, also when the time is over.
      if (left().timeoutMs === 0) {
        throw new TimeoutError('the call took longer than its timeout');
      }
    }
  }

  /** The offset map that the answer is read at; undefined until the first batch has arrived. */
  get upper(): Offsets | undefined {
    const { handle } = this;
    if (handle !== undefined) {
      this.#upper ??= Offsets.trusted(guard(() => native.cursorUpper(handle)));
    }
    return this.#upper;
  }

  #upper: Offsets | undefined;

  /** @internal */
  protected override arrived(): void {
    void this.upper;
  }
}
