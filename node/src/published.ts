import type { NativePublished } from './native';
import { Offsets } from './offsets';

/** One published event: where it is now, forever. */
export interface Receipt {
  /** `<lamport>/<stream>`: unique, and understood by `from(…)` and `to(…)` in queries. */
  readonly key: string;
  /** Logical time; greater than everything this node had seen. */
  readonly lamport: number;
  /** The stream that it is in: `<node id>-<number>`. */
  readonly stream: string;
  /** Its position in the stream: 0 for the first, no gaps. */
  readonly offset: number;
}

/** What one publish stored. */
export class Published {
  /** The stream that the events are in: `<node id>-<number>`. */
  readonly stream: string;
  /** Offset of the first event; the others follow without a gap. */
  readonly firstOffset: number;
  /** Lamport of the first event; the others follow without a gap. */
  readonly firstLamport: number;
  /** How many events. */
  readonly count: number;
  /** The wall clock that they were stamped with, µs since 1970 UTC. */
  readonly timeMicros: number;
  /** What the write could see, and itself: a read that covers this token sees it. */
  readonly token: Offsets;
  /** True when an earlier call with the same idempotency key had stored them. */
  readonly replayed: boolean;

  /** @internal */
  constructor(published: NativePublished) {
    this.stream = published.stream;
    this.firstOffset = published.firstOffset;
    this.firstLamport = published.firstLamport;
    this.count = published.count;
    this.timeMicros = published.timeMicros;
    this.token = Offsets.trusted(published.token);
    this.replayed = published.replayed;
  }

  /** One receipt per event, in the order they were given. */
  get receipts(): Receipt[] {
    return Array.from({ length: this.count }, (_, index) => {
      const lamport = this.firstLamport + index;
      const offset = this.firstOffset + index;
      return { key: `${lamport}/${this.stream}`, lamport, stream: this.stream, offset };
    });
  }
}
