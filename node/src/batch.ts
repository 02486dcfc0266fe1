/**
 * Batches of events as one block of bytes each way. The other side is `packed.rs` of the facade,
 * which describes both forms.
 */
import { inspect } from 'node:util';
import { Cbor } from './cbor';
import { APP_ID, BatchBytes, ROW_WORDS, STREAM } from './decode';
import { withWriter, type Writer } from './encode';
import { Event } from './event';
import { refuse } from './failures';
import type { NativeBatch } from './native';
import { Offsets } from './offsets';
import { checkOptions, describe, hasOnly } from './options';
import type { PayloadInput } from './payload';

/** An event to publish. */
export interface NewEvent {
  /**
   * At most 64 texts of at most 255 bytes; they are normalised (NFC) and duplicates collapse.
   * Left out: no tags.
   */
  readonly tags?: readonly string[] | undefined;
  /** At most 1 MiB encoded, nested at most 32 deep; or what is encoded already. */
  readonly payload: PayloadInput | Cbor;
}

/** A row is so many numbers of 64 bits, too. */
const ROW_NUMBERS = ROW_WORDS / 2;

/** Several events that arrived together. What is asked of it is made then, and kept. */
export class EventBatch<P> {
  /** How many events: 0 to 4,096. May be 0 when it says caught up. */
  readonly length: number;
  /**
   * False when these events came before they were on this node's disk (`delivery: 'live'`): then
   * {@link position} does not count them, and a power cut may take them back.
   */
  readonly isDurable: boolean;
  /** True from the batch on that completes the log as it was at the start. */
  readonly caughtUp: boolean;
  /** How many events of the log this had not passed yet: an upper bound on what was left. */
  readonly lag: number;
  /**
   * After this batch. Hand it to `from` of a later subscription in the order of arrival to go on
   * there.
   */
  readonly position: Offsets;
  /**
   * Where another subscription of the same order goes on: hand it to `from`. In the order of
   * arrival it is the token of {@link position}.
   */
  readonly positionText: string;
  /**
   * True when events of a subscription in the order of keys came late: whatever was delivered
   * behind {@link rewindTo} is to be forgotten, and comes again in order with them. There is no
   * event in it.
   */
  readonly isRewind: boolean;
  /** Of a rewind: the key of the last event that stays; undefined when none does. */
  readonly rewindTo: string | undefined;
  readonly #packed: Packed;
  /** The first of its events in what was packed. */
  readonly #first: number;
  #events: readonly Event<P>[] | undefined;
  #payloadBytes: readonly Uint8Array[] | undefined;

  /** @internal Everything that is packed. */
  static from<P>(native: NativeBatch): EventBatch<P> {
    const { isDurable, caughtUp, lag, isRewind, rewindTo } = native;
    const position = Offsets.trusted(native.position);
    const positionText = native.resume ?? native.position;
    const rest = { isDurable, caughtUp, lag, position, positionText, isRewind, rewindTo };
    return new EventBatch<P>(rest, packed(native), 0, native.count);
  }

  private constructor(rest: Rest, packed: Packed, first: number, length: number) {
    this.length = length;
    this.isDurable = rest.isDurable;
    this.caughtUp = rest.caughtUp;
    this.lag = rest.lag;
    this.position = rest.position;
    this.positionText = rest.positionText;
    this.isRewind = rest.isRewind;
    this.rewindTo = rest.rewindTo;
    this.#packed = packed;
    this.#first = first;
  }

  /** In the order of the query, or in that of arrival. */
  get events(): readonly Event<P>[] {
    this.#events ??= events<P>(this.#packed, this.#first, this.length);
    return this.#events;
  }

  /**
   * The payloads' bytes, one array for each event: one CBOR value each, in its deterministic
   * encoding. The fastest way to them, because no event is made and nothing is copied.
   *
   * They are parts of the memory that the events of this batch are read from: what is written into
   * them is what {@link Event.payload} and {@link Event.payloadBytes} read from then on, and
   * nothing else sees it. Each keeps the memory of the whole batch alive. Their `buffer` holds
   * other things beside them and cannot be transferred; to send one away or to keep a few for
   * long, copy it: `bytes.slice()`.
   * @throws InvalidArgumentError: the query's `columns` leave the payload out.
   */
  get payloadBytes(): readonly Uint8Array[] {
    this.#payloadBytes ??= this.#packed.bytes.payloads(this.#first, this.length);
    return this.#payloadBytes;
  }

  /** @internal For `console.log`. */
  [inspect.custom](): object {
    const { events, isDurable, caughtUp, lag, position, isRewind, rewindTo } = this;
    const rewind = isRewind ? { isRewind, rewindTo } : {};
    return { events, isDurable, caughtUp, lag, position, ...rewind };
  }

  /** @internal The same without its first `count` events; those that are left are the same. */
  without(count: number): EventBatch<P> {
    const rest = new EventBatch<P>(this, this.#packed, this.#first + count, this.length - count);
    rest.#events = this.#events?.slice(count);
    rest.#payloadBytes = this.#payloadBytes?.slice(count);
    return rest;
  }
}

/** What a batch is beside its events. */
type Rest = Pick<
  EventBatch<unknown>,
  'isDurable' | 'caughtUp' | 'lag' | 'position' | 'positionText' | 'isRewind' | 'rewindTo'
>;

/** What the native half gave, with views of it. */
interface Packed {
  readonly texts: readonly string[];
  readonly numbers: Float64Array;
  readonly rows: Uint32Array;
  readonly bytes: BatchBytes;
}

function packed(batch: NativeBatch): Packed {
  const { texts, count } = batch;
  const { buffer, byteOffset } = batch.rows;
  const numbers = new Float64Array(buffer, byteOffset, count * ROW_NUMBERS);
  const rows = new Uint32Array(buffer, byteOffset, count * ROW_WORDS);
  return { texts, numbers, rows, bytes: new BatchBytes(batch, rows) };
}

/** `count` events. Their tags and payloads are decoded when they are asked for. */
function events<P>(packed: Packed, first: number, count: number): Event<P>[] {
  const { texts, numbers, rows, bytes } = packed;
  const events: Event<P>[] = [];
  for (let index = first; index < first + count; index++) {
    const row = index * ROW_WORDS;
    const number = index * ROW_NUMBERS;
    events.push(
      new Event<P>(
        numbers[number] as number,
        texts[rows[row + STREAM] as number] as string,
        numbers[number + 1] as number,
        numbers[number + 2] as number,
        texts[rows[row + APP_ID] as number] as string,
        bytes,
        index,
      ),
    );
  }
  return events;
}

/**
 * Encodes `events` and hands the bytes to `use`, which must be done with them when it returns.
 * @throws InvalidArgumentError, LimitExceededError: an event that cannot be encoded.
 */
export function withEncoded<T>(events: readonly NewEvent[], use: (bytes: Uint8Array) => T): T {
  return withWriter((writer) => {
    // Asked once: what getters of the application do to it changes nothing of what was given.
    const count = events.length;
    writer.u32(count);
    for (let at = 0; at < count; at++) encode(writer, events[at] as NewEvent, at);
  }, use);
}

const EVENT_NAMES = ['tags', 'payload'];

function encode(writer: Writer, event: NewEvent, index: number): void {
  // The name that messages have is made for them only.
  if (!hasOnly(event, EVENT_NAMES)) refuseEvent(event, `event ${index}`);
  const tags: unknown = event.tags ?? [];
  if (!Array.isArray(tags)) {
    throw refuse(`event ${index}: tags must be an array of strings, not ${describe(tags)}`);
  }
  const count = tags.length;
  writer.u32(count);
  for (let at = 0; at < count; at++) {
    const tag: unknown = tags[at];
    if (typeof tag !== 'string' || !writer.sizedText(tag)) {
      throw refuse(`event ${index}: tags[${at}] must be well-formed text, not ${describe(tag)}`);
    }
  }
  const { payload } = event;
  if (payload instanceof Cbor) return writer.sizedRaw(payload.data);
  const start = writer.beginSized();
  writer.payload(payload, index);
  writer.endSized(start);
}

function refuseEvent(event: unknown, name: string): void {
  if (event === undefined) throw refuse(`${name} must be an object, not undefined`);
  checkOptions(name, event, EVENT_NAMES);
}
