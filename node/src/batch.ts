/**
 * Batches of events as one block of bytes each way. The other side is `native/batch.rs`, which
 * describes both forms.
 */
import { Cbor } from './cbor';
import { BatchBytes, ROW_WORDS } from './decode';
import { Writer } from './encode';
import { Event } from './event';
import { refuse } from './failures';
import type { NativeBatch } from './native';
import { Offsets } from './offsets';
import { checkOptions, describe, isWellFormed } from './options';
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

/** Several events that arrived together. */
export interface EventBatch<P> {
  /** In the order of the query, or in that of arrival. May be empty when it says caught up. */
  readonly events: readonly Event<P>[];
  /** True from the batch on that completes the log as it was at the start. */
  readonly caughtUp: boolean;
  /** How many events of the log this had not passed yet: an upper bound on what was left. */
  readonly lag: number;
  /** After this batch. Hand it to `from` of a later subscription to go on there. */
  readonly position: Offsets;
}

let spare: Writer | undefined;

/**
 * Encodes `events` and hands the bytes to `use`, which must be done with them when it returns.
 * @throws InvalidArgumentError, LimitExceededError: an event that cannot be encoded.
 */
export function withEncoded<T>(events: readonly NewEvent[], use: (bytes: Uint8Array) => T): T {
  const writer = spare ?? new Writer();
  // Reading a payload may run the caller's getters, and those may publish, too.
  spare = undefined;
  writer.clear();
  events.forEach((event, index) => encode(writer, event, `event ${index}`));
  const result = use(writer.written());
  if (writer.isSmall) spare = writer;
  return result;
}

function encode(writer: Writer, event: NewEvent, name: string): void {
  if (event === undefined) throw refuse(`${name} must be an object, not undefined`);
  checkOptions(name, event, ['tags', 'payload']);
  const tags: unknown = event.tags ?? [];
  if (!Array.isArray(tags)) {
    throw refuse(`${name}: tags must be an array of strings, not ${describe(tags)}`);
  }
  writer.u32(tags.length);
  for (let index = 0; index < tags.length; index++) {
    const tag: unknown = tags[index];
    if (typeof tag !== 'string' || !isWellFormed(tag)) {
      throw refuse(`${name}: tags[${index}] must be well-formed text, not ${describe(tag)}`);
    }
    writer.sized(() => writer.rawText(tag));
  }
  const { payload } = event;
  writer.sized(() => {
    if (payload instanceof Cbor) writer.raw(payload.data);
    else writer.payload(payload, `${name}: payload`);
  });
}

const ROW_NUMBERS = 3;

/** The events of a batch. Tags and payloads are decoded when they are asked for. */
export function decodeBatch<P>(batch: NativeBatch): EventBatch<P> {
  const { texts, count } = batch;
  const numbers = new Float64Array(batch.rows, 0, count * ROW_NUMBERS);
  const rows = new Uint32Array(batch.rows, numbers.byteLength, count * ROW_WORDS);
  const bytes = new BatchBytes(batch, rows);
  const events: Event<P>[] = [];
  for (let index = 0; index < count; index++) {
    const row = index * ROW_WORDS;
    const number = index * ROW_NUMBERS;
    events.push(
      new Event<P>(
        numbers[number] as number,
        texts[rows[row] as number] as string,
        numbers[number + 1] as number,
        numbers[number + 2] as number,
        texts[rows[row + 1] as number] as string,
        bytes,
        index,
      ),
    );
  }
  const position = Offsets.trusted(batch.position);
  return { events, caughtUp: batch.caughtUp, lag: batch.lag, position };
}
