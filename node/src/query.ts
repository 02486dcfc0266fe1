import type { CausalOptions } from './causal';
import { ClosedError, TimeoutError } from './error-kinds';
import type { Event } from './event';
import type { Explanation, Looks } from './explanation';
import { native, type NativeBatch, type NativeLimit } from './native';
import { Offsets } from './offsets';
import { bridge, operate } from './operations';
import { callOptions, checkOptions, type CallOptions } from './options';
import { Reading, type Source } from './reading';
import { parse, type Completeness } from './status';

/** The options of {@link Node.query}. */
export interface QueryOptions extends CallOptions, CausalOptions {
  /**
   * `ascending` (the order of keys; the default), `descending`, or `stream` (each stream in its
   * order, one after the other).
   */
  readonly order?: 'ascending' | 'descending' | 'stream' | undefined;
  /** Only events that these offsets, or their token, do not count. */
  readonly lower?: Offsets | string | undefined;
  /** Only events that these offsets, or their token, count. Default: what is durable here now. */
  readonly upper?: Offsets | string | undefined;
  /**
   * What is decoded of the events: `tags`, `payload`, or neither. Default both. Key, stream,
   * offset, time and app always are. What is left out costs nothing, and reading it throws
   * {@link InvalidArgumentError}.
   */
  readonly columns?: readonly ('tags' | 'payload')[] | undefined;
}

/** @internal Asks anew how a query was answered that had looked at `actual`, up to `upper`. */
export type Explainer = (
  ticket: number,
  upper: Offsets | undefined,
  actual: Looks,
  limit: NativeLimit,
) => void;

/**
 * The answer to a query over one state of the log ({@link Query.upper}), streamed in batches. It
 * ends by itself.
 */
export class Query<P> extends Reading<P> {
  readonly #explainer: Explainer;
  #looks: Looks = { segments: 0, blocks: 0, frames: 0, events: 0 };

  /** @internal */
  constructor(source: Source, options: CallOptions, explainer: Explainer) {
    super(source, options);
    this.#explainer = explainer;
  }

  /**
   * How the query is answered: what is looked up, what the index expects that this takes, and what
   * it took so far; nothing before the first batch, so that explaining costs no reading. Events
   * that were read ahead count as delivered. It can be asked after the end, too.
   * @throws QueryInvalidError, ClosedError: its node was closed; CorruptError, StorageFailedError,
   * TimeoutError, AbortError.
   */
  async explain(options?: CallOptions): Promise<Explanation> {
    const call = 'query.explain';
    checkOptions(call, options, callOptions);
    const left = this.bounds(call, options);
    try {
      const answer = await this.ask(left, (ticket, handle, limit) =>
        bridge.cursorExplain(ticket, handle, limit),
      );
      if (answer !== undefined) return parse<Explanation>(answer.text as string);
    } catch (error) {
      // It may have come to its end meanwhile.
      if (!(error instanceof ClosedError) || this.handle !== undefined) throw error;
    }
    const answer = await operate(call, left(), (ticket, limit) =>
      this.#explainer(ticket, this.#upper, this.#looks, limit),
    );
    return parse<Explanation>(answer.text as string);
  }

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
    return this.#upper;
  }

  /**
   * How complete the answer is: the offset map that it is read at, streams that were known to be
   * behind, and nodes that were not in reach, as of when it was asked. Undefined until the first
   * batch has arrived; it stays when the query has ended, or it or its node is closed.
   */
  get completeness(): Completeness | undefined {
    if (this.#upper === undefined || this.#completeness === undefined) return undefined;
    const { offsets, ...rest } = parse<{ offsets: string }>(this.#completeness);
    return { ...(rest as Omit<Completeness, 'offsets'>), offsets: Offsets.trusted(offsets) };
  }

  /** As JSON text; known since it is open. */
  #completeness: string | undefined;

  /** Known since something arrived. */
  #upper: Offsets | undefined;

  /** @internal */
  protected override began(handle: bigint): void {
    try {
      this.#completeness = native.cursorCompleteness(handle);
    } catch {
      // Its node was closed meanwhile: whoever asks for a batch hears of it.
    }
  }

  /** @internal */
  protected override received(batch: NativeBatch): void {
    this.#upper ??= Offsets.trusted(batch.position);
    this.#looks = batch.looks;
  }
}
