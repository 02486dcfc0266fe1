import { TimeoutError } from './error-kinds';
import { AbortError, guard } from './failures';
import { Line } from './line';
import { opening } from './opening';
import { beginning, callOptions, checkOptions, limitsOf, type CallOptions } from './options';
import { eitherOf, onAbort } from './signals';

/** @internal How something that is asked for more reaches its native half. */
export interface PullSource<T> {
  /** What it is called in messages: `observer`. */
  readonly call: string;
  /** The handle, when it was opened. */
  readonly opened: Promise<bigint>;
  /** When the opening ends by itself, by the clock of `performance.now`; it may have no end. */
  readonly opensUntil: number | undefined;
  /** The next one, or undefined at the end. */
  next(handle: bigint, left: () => CallOptions): Promise<T | undefined>;
  close(handle: bigint): void;
}

/** Closes what nobody can reach any more. */
const unreachable = new FinalizationRegistry<() => void>((close) => {
  try {
    close();
  } catch {
    // It was closed, or its node was.
  }
});

/**
 * Something that gives one thing after the other to whoever asks, and ends with a close, with its
 * node, or with an error, never in silence.
 *
 * Leaving a `for await` loop closes it. While a call waits, the process stays alive.
 */
export abstract class Pulled<T extends object>
  implements AsyncIterableIterator<T>, AsyncDisposable
{
  readonly #source: PullSource<T>;
  readonly #options: CallOptions;
  readonly #stopListening: () => void;
  readonly #line = new Line();
  #handle: bigint | undefined;
  #ended = false;
  #failure: Error | undefined;

  /** @internal */
  constructor(source: PullSource<T>, options: CallOptions) {
    this.#source = source;
    this.#options = options;
    const { signal } = options;
    const self = new WeakRef<Pulled<object>>(this);
    this.#stopListening = signal === undefined ? () => {} : onAbort(signal, failing(self));
    source.opened.then(
      (handle) => {
        this.#handle = handle;
        if (this.#ended) return this.#release();
        unreachable.register(this, closing(source, handle, this.#stopListening), this);
      },
      () => {},
    );
  }

  /**
   * The next one, or the end. `timeoutMs` holds in place of its own, and `signal` beside its own.
   * Calls that overlap are answered in their order. A timeout or an abort of `options` loses
   * nothing: the next call has it.
   * @throws InvalidArgumentError an option has the wrong type; what it failed with; TimeoutError,
   * AbortError.
   */
  async next(options?: CallOptions): Promise<IteratorResult<T, undefined>> {
    const call = `${this.#source.call}.next`;
    checkOptions(call, options, callOptions);
    const { signal, ...limits } = limitsOf(call, options);
    const either = eitherOf(this.#options.signal, signal);
    const left = beginning({ ...this.#options, ...limits, signal: either.signal });
    try {
      // Its own signal ends the calls before, too.
      const value = await this.#line.enqueue({ ...left(), signal }, () => this.#step(left));
      if (value === undefined) return { value: undefined, done: true };
      return { value, done: false };
    } finally {
      either.release();
    }
  }

  /** Ends the loop: closes it. A call that waits ends with it. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#end();
    return { value: undefined, done: true };
  }

  /** Closes it, from anywhere and as often as you like. A call that waits ends with it. */
  async close(): Promise<void> {
    this.#end();
  }

  /** As {@link Pulled.close}: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  /** Itself: there is one position. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @internal Ends with an error for whoever asks next. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#end();
  }

  async #step(left: () => CallOptions): Promise<T | undefined> {
    if (this.#ended) return this.#over();
    const { opened, opensUntil, next } = this.#source;
    let value: T | undefined;
    try {
      const handle = await opening(this.#opening(opened), opensUntil, left());
      if (this.#ended) return this.#over();
      value = await next(handle, left);
    } catch (error) {
      if (this.#ended) return this.#over();
      // Of a call that was ended early the next one has what it would have given.
      if (!(error instanceof TimeoutError || error instanceof AbortError)) this.#end();
      throw error;
    }
    if (this.#ended || value === undefined) {
      this.#end();
      return this.#over();
    }
    return value;
  }

  /** What the opening failed with ends it. */
  #opening(opened: Promise<bigint>): Promise<bigint> {
    return opened.catch((error: Error) => {
      this.fail(error);
      throw error;
    });
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
    const handle = this.#handle;
    if (handle === undefined) return;
    try {
      guard(() => this.#source.close(handle));
    } catch {
      // Its node was closed before, and that closed it.
    }
  }
}

// These are functions of their own, so that what they return cannot reach what they close: a
// closure made inside the constructor would keep it alive.

function closing<T>(source: PullSource<T>, handle: bigint, stopListening: () => void): () => void {
  return () => {
    stopListening();
    source.close(handle);
  };
}

function failing(pulled: WeakRef<Pulled<object>>): (reason: unknown) => void {
  return (reason) => pulled.deref()?.fail(new AbortError(reason));
}
