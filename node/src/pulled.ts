import { TimeoutError } from './error-kinds';
import { AbortError, guard } from './failures';
import { Line } from './line';
import { native } from './native';
import { opening } from './opening';
import { beginning, callOptions, checkOptions, limitsOf, type CallOptions } from './options';
import { eitherOf, onAbort } from './signals';

/** @internal What was given: nothing else is taken for the end. */
export interface Given<T> {
  readonly value: T;
}

/** @internal How something that is asked for more reaches its native half. */
export interface PullSource<T> {
  /** What it is called in messages: `observer`. */
  readonly call: string;
  /** The handle, when it was opened. */
  readonly opened: Promise<bigint>;
  /** When the opening ends by itself, by the clock of `performance.now`; it may have no end. */
  readonly opensUntil: number | undefined;
  /** The next one; nothing at the end. */
  next(handle: bigint, left: () => CallOptions): Promise<Given<T> | undefined>;
  /** Never throws. */
  close(handle: bigint): void;
}

/** Closes what nobody can reach any more. */
const unreachable = new FinalizationRegistry<() => void>((close) => close());

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
    this.#stopListening = signal === undefined ? nothing : onAbort(signal, failing(self));
    source.opened.then(
      (handle) => {
        this.#handle = handle;
        if (this.#ended) return this.#release();
        unreachable.register(this, closing(source, handle, this.#stopListening), this);
      },
      nothing,
    );
    if (signal?.aborted) this.fail(new AbortError(signal.reason));
  }

  /**
   * Resolves once it is open; it is opened in the background, and {@link Pulled.next} waits for
   * that by itself. After its end at once.
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
    // A mistake of this call ends nothing.
    guard(() => native.checkTimeout(limits.timeoutMs));
    const either = eitherOf(this.#options.signal, signal);
    const left = beginning({ ...this.#options, ...limits, signal: either.signal });
    try {
      // Its own signal ends the calls before, too.
      const given = await this.#line.enqueue({ ...left(), signal }, () => this.#step(left));
      if (given === undefined) return { value: undefined, done: true };
      return { value: given.value, done: false };
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

  async #step(left: () => CallOptions): Promise<Given<T> | undefined> {
    if (this.#ended) return this.#over();
    let given: Given<T> | undefined;
    try {
      const handle = await this.#opening(left());
      if (this.#ended) return this.#over();
      given = await this.#source.next(handle, left);
    } catch (error) {
      if (this.#ended) return this.#over();
      // Of a call that was ended early the next one has what it would have given.
      if (!(error instanceof TimeoutError || error instanceof AbortError)) this.#end();
      throw error;
    }
    if (this.#ended || given === undefined) {
      this.#end();
      return this.#over();
    }
    return given;
  }

  /** The handle, once it is open; what the opening failed with ends it. */
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
    if (this.#handle !== undefined) this.#source.close(this.#handle);
  }
}

// These are functions of their own, so that what they return cannot reach what they close: a
// closure made inside the constructor would keep it alive.

function nothing(): void {}

function closing<T>(source: PullSource<T>, handle: bigint, stopListening: () => void): () => void {
  return () => {
    stopListening();
    source.close(handle);
  };
}

function failing(pulled: WeakRef<Pulled<object>>): (reason: unknown) => void {
  return (reason) => pulled.deref()?.fail(new AbortError(reason));
}
