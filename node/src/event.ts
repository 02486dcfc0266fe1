import { inspect } from 'node:util';
import type { BatchBytes } from './decode';
import type { Payload } from './payload';

/**
 * An immutable fact. Sorting by {@link Event.lamport}, then by {@link Event.stream}, is the one
 * order that all nodes agree on.
 *
 * `P` is what the payload is taken to be; nothing checks it. An event keeps the bytes of the batch
 * it came with in memory.
 */
export class Event<P = Payload> {
  /** Logical time: greater than everything its author had seen. 1 to 2^53 − 1. */
  readonly lamport: number;
  /** The stream that it is in: `<node id>-<number>`. */
  readonly stream: string;
  /** Its position in the stream: 0 for the first, no gaps. */
  readonly offset: number;
  /** The author's wall clock, µs since 1970 UTC. A recorded claim; it never orders events. */
  readonly timeMicros: number;
  /** The name of the application that its author opened the node with. */
  readonly app: string;
  readonly #bytes: BatchBytes;
  readonly #index: number;
  #tags: readonly string[] | undefined;
  #payload: Payload | undefined;

  /** @internal */
  constructor(
    lamport: number,
    stream: string,
    offset: number,
    timeMicros: number,
    app: string,
    bytes: BatchBytes,
    index: number,
  ) {
    this.lamport = lamport;
    this.stream = stream;
    this.offset = offset;
    this.timeMicros = timeMicros;
    this.app = app;
    this.#bytes = bytes;
    this.#index = index;
  }

  /** `<lamport>/<stream>`: unique, and understood by `from(…)` and `to(…)` in queries. */
  get key(): string {
    return `${this.lamport}/${this.stream}`;
  }

  /** The author's wall clock in milliseconds, for display; see {@link Event.timeMicros}. */
  get time(): Date {
    return new Date(this.timeMicros / 1000);
  }

  /**
   * Its tags, sorted and distinct; always the same array.
   * @throws InvalidArgumentError: the query's `columns` leave them out.
   */
  get tags(): readonly string[] {
    this.#tags ??= this.#bytes.tags(this.#index);
    return this.#tags;
  }

  /**
   * The payload as a natural value, decoded when it is first asked for, then the same object.
   * @throws InvalidArgumentError: the query's `columns` leave it out.
   */
  get payload(): P {
    if (this.#payload === undefined) this.#payload = this.#bytes.payload(this.#index);
    return this.#payload as P;
  }

  /**
   * A copy of the payload's bytes: one CBOR value in its deterministic encoding. Its `buffer` may
   * hold other things beside them and cannot be transferred.
   * @throws InvalidArgumentError: the query's `columns` leave it out.
   */
  get payloadBytes(): Uint8Array {
    return this.#bytes.copy(this.#index);
  }

  /** @internal For `console.log`: what it holds, its payload decoded. */
  [inspect.custom](): object {
    const { key, offset, time, app } = this;
    const { hasTags, hasPayload } = this.#bytes;
    return {
      ...{ key, offset, time, app },
      ...(hasTags ? { tags: this.tags } : {}),
      ...(hasPayload ? { payload: this.payload } : {}),
    };
  }
}
