import { EventBatch } from './batch';
import type { Event } from './event';
import { AbortError } from './failures';
import type { NativeBatch, NativeCompletion, NativeLimit } from './native';
import { opening } from './opening';
import { operate, release, within } from './operations';
import {
  beginning,
  callOptions,
  checkOptions,
  given,
  limitsOf,
  whole,
  type CallOptions,
} from './options';
import { onAbort } from './signals';

/** The options of {@link Reading.nextBatch}. */
export interface BatchOptions extends CallOptions {
  /** At most this many events, 1 to 4,096. Default 1,024. */
  readonly max?: number | undefined;
}

/** @internal How a reading reaches its native half. */
export interface Source {
  /** What it is called in messages: `query`. */
  readonly call: string;
  /** The handle, when it was opened. */
  readonly opened: Promise<bigint>;
  /** When the opening ends by itself, by the clock of `performance.now`; it may have no end. */
  readonly opensUntil: number | undefined;
  next(
    ticket: number,
    handle: bigint,
    max: number | undefined,
    limit: NativeLimit,
  ): NativeCompletion | null;
}

/** Closes what nobody can reach any more. */
const unreachable = new FinalizationRegistry<() => void>((close) => close());

/**
 * Events as they are asked for: what queries and subscriptions have in common.
 *
 * Iterate it with `for await`, event by event, or batch by batch with {@link Reading.batches} and
 * {@link Reading.nextBatch}. There is one position: two loops over one reading share the events.
 * Leaving a loop with `break`, `return` or an exception closes it; so does its end.
 */
export abstract class Reading<P> implements AsyncIterableIterator<Event<P>>, AsyncDisposable {
  readonly #source: Source;
  readonly #options: CallOptions;
  readonly #stopListening: () => void;
  /** The batch that is being delivered, and how many of its events were. */
  #batch: EventBatch<P> | undefined;
  #delivered = 0;
  /** The last call that had to wait: the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #ended = false;
  #failure: Error | undefined;
  #handle: bigint | undefined;

  /** @internal */
  constructor(source: Source, options: CallOptions) {
    this.#source = source;
    this.#options = options;
    source.opened.then(
      (handle) => {
        this.#handle = handle;
        if (this.#ended) return this.#release();
        this.began(handle);
        unreachable.register(this, closing(handle, this.#stopListening), this);
      },
      nothing,
    );
    const self = new WeakRef(this);
    const { signal } = options;
    this.#stopListening = signal === undefined ? nothing : onAbort(signal, failing(self));
    if (signal?.aborted) this.fail(new AbortError(signal.reason));
  }

  /**
   * The next event, or the end. Calls that overlap are answered in their order.
   * @throws what the query or subscription failed with, TimeoutError, AbortError.
   */
  next(): Promise<IteratorResult<Event<P>, undefined>> {
    if (this.#queued === 0) {
      const event = this.#buffered();
      if (event !== undefined) return Promise.resolve({ value: event, done: false });
    }
    const left = beginning(this.#options);
    return this.#enqueue(left, () => this.#nextEvent(left));
  }

  /** Ends the loop: closes the reading. A call that waits ends with it. */
  async return(): Promise<IteratorResult<Event<P>, undefined>> {
    await this.close();
    return { value: undefined, done: true };
  }

  /**
   * The next events together, or undefined at the end. What a loop left of a batch comes first. A
   * timeout or an abort loses no event: the next call has them.
   * @throws TimeoutError, AbortError, and what the query or subscription failed with.
   */
  async nextBatch(options?: BatchOptions): Promise<EventBatch<P> | undefined> {
    const call = `${this.#source.call}.nextBatch`;
    checkOptions(call, options, [...callOptions, 'max']);
    const { max } = given(call, 'max', options?.max, whole);
    return this.batch(max, this.bounds(call, options));
  }

  /**
   * The batches as {@link Reading.nextBatch} gives them, for a `for await` loop with a plain loop
   * over the events of each inside: the fastest way to read, because it awaits once for each batch
   * and not for each event. Leaving the loop closes the reading; a timeout loses no event.
   */
  batches(options?: BatchOptions): AsyncIterableIterator<EventBatch<P>> {
    return {
      next: async () => {
        const value = await this.nextBatch(options);
        return value === undefined ? { value, done: true } : { value, done: false };
      },
      return: async () => {
        await this.close();
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** Closes it, from anywhere and as often as you like. A call that waits ends with it. */
  async close(): Promise<void> {
    this.#end();
  }

  /** As {@link Reading.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  /** Itself: there is one position. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * Resolves once it is open; it is opened in the background, and each step waits for that by
   * itself. After its end at once.
   * @throws InvalidArgumentError an option has the wrong type; what is wrong with it, which ends
   * it; TimeoutError, AbortError.
   */
  async opened(options?: CallOptions): Promise<void> {
    const call = `${this.#source.call}.opened`;
    checkOptions(call, options, callOptions);
    const left = beginning(limitsOf(call, options));
    if (this.#ended) return this.#over();
    try {
      await this.#opening(left());
    } catch (error) {
      if (this.#ended) return this.#over();
      throw error;
    }
  }

  /** @internal The handle, if it is open. */
  protected get handle(): bigint | undefined {
    return this.#ended ? undefined : this.#handle;
  }

  /** @internal The batch that is being delivered, and how many of its events were. */
  protected get delivery(): { batch: EventBatch<P> | undefined; delivered: number } {
    return { batch: this.#batch, delivered: this.#delivered };
  }

  /** @internal The bounds of a call that begins now, for each of its waits. */
  protected bounds(call: string, options: CallOptions | undefined): () => CallOptions {
    return beginning({ ...this.#options, ...limitsOf(call, options) });
  }

  /** @internal As {@link Reading.nextBatch}. */
  protected batch(
    max: number | undefined,
    left: () => CallOptions,
  ): Promise<EventBatch<P> | undefined> {
    return this.#enqueue(left, () => this.#nextBatch(max, left));
  }

  /** @internal What a question about it comes to, or undefined when it is over. */
  protected async ask(
    left: () => CallOptions,
    begin: (ticket: number, handle: bigint, limit: NativeLimit) => void,
  ): Promise<NativeCompletion | undefined> {
    if (this.#ended) return undefined;
    const { opened, opensUntil } = this.#source;
    const handle = await opening(opened, opensUntil, left());
    if (this.#ended) return undefined;
    return operate(this.#source.call, left(), (ticket, limit) => begin(ticket, handle, limit));
  }

  /** @internal Called once it is open. */
  protected began(_handle: bigint): void {}

  /** @internal Called with everything that comes, the end too. */
  protected received(_native: NativeBatch): void {}

  /** @internal Called with each batch that arrives, after the one before was delivered. */
  protected arrived(_batch: EventBatch<P>, _before: EventBatch<P> | undefined): void {}

  /** @internal Ends with an error for whoever asks next. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#end();
  }

  /** Takes `step` when the calls before are answered, if this one is not over by then. */
  #enqueue<T>(left: () => CallOptions, step: () => Promise<T>): Promise<T> {
    this.#queued++;
    const before = this.#last;
    const { signal, ...limits } = left();
    // The reading's own signal ends the calls before, too.
    const own = signal === this.#options.signal ? undefined : signal;
    const turn = within(before, { ...limits, signal: own });
    const result = turn.then(step).finally(() => this.#queued--);
    this.#last = before.then(() => result).catch(() => {});
    return result;
  }

  /** The next event of the batch at hand. */
  #buffered(): Event<P> | undefined {
    const event = this.#ended ? undefined : this.#batch?.events[this.#delivered];
    if (event !== undefined) this.#delivered++;
    return event;
  }

  async #nextEvent(left: () => CallOptions): Promise<IteratorResult<Event<P>, undefined>> {
    for (;;) {
      const event = this.#buffered();
      if (event !== undefined) return { value: event, done: false };
      const batch = await this.#fetch(undefined, left);
      if (batch === undefined) return { value: undefined, done: true };
    }
  }

  async #nextBatch(
    max: number | undefined,
    left: () => CallOptions,
  ): Promise<EventBatch<P> | undefined> {
    const batch = this.#batch;
    if (!this.#ended && batch !== undefined && this.#delivered < batch.length) {
      const left = batch.without(this.#delivered);
      this.#delivered = batch.length;
      return left;
    }
    const fetched = await this.#fetch(max, left);
    if (fetched !== undefined) this.#delivered = fetched.length;
    return fetched;
  }

  async #fetch(
    max: number | undefined,
    left: () => CallOptions,
  ): Promise<EventBatch<P> | undefined> {
    if (this.#ended) return this.#over();
    const { call, next } = this.#source;
    let completion: NativeCompletion;
    try {
      const handle = await this.#opening(left());
      if (this.#ended) return this.#over();
      completion = await operate(call, left(), (ticket, limit) =>
        next(ticket, handle, max, limit),
      );
    } catch (error) {
      if (this.#ended) return this.#over();
      throw error;
    }
    const native = completion.batch;
    if (native !== undefined) this.received(native);
    if (this.#ended || native === undefined || native.isEnd) {
      this.#end();
      return this.#over();
    }
    const batch = EventBatch.from<P>(native);
    this.arrived(batch, this.#batch);
    this.#batch = batch;
    this.#delivered = 0;
    return batch;
  }

  /** The handle, once it is open; what the opening failed with ends the reading. */
  #opening(limits: CallOptions): Promise<bigint> {
    const { opened, opensUntil } = this.#source;
    const trying = opened.catch((error: Error) => {
      this.fail(error);
      throw error;
    });
    return opening(trying, opensUntil, limits);
  }

  /** The end: the error that it ended with for the first who asks, then the plain end. */
  #over(): undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopListening();
    unreachable.unregister(this);
    this.#release();
  }

  #release(): void {
    if (this.#handle !== undefined) release(this.#handle);
  }
}

// These are functions of their own, so that what they return cannot reach the reading: a closure
// made inside the constructor would keep it alive.

function nothing(): void {}

function closing(handle: bigint, stopListening: () => void): () => void {
  return () => {
    stopListening();
    release(handle);
  };
}

function failing(reading: WeakRef<Reading<unknown>>): (reason: unknown) => void {
  return (reason) => reading.deref()?.fail(new AbortError(reason));
}
