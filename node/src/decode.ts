/**
 * From the bytes of a payload to JavaScript values.
 *
 * The bytes were checked when they were published or received, so only what would run past their
 * end is refused here.
 */
import { markAsUntransferable } from 'node:worker_threads';
import { InternalError, type InvalidArgumentError } from './error-kinds';
import { refuse } from './failures';
import type { NativeBatch } from './native';
import type { Payload } from './payload';

const SAFE_HIGH = 0x20_0000;

/** Words of an event's row in a batch, and which they are; `packed.rs` of the facade has them. */
export const ROW_WORDS = 12;
export const STREAM = 6;
export const APP_ID = 7;
const TAGS = 8;
const TAGS_END = 9;
const PAYLOAD_END = 10;

/** The tags and payloads of a batch. */
export class BatchBytes {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly rows: Uint32Array;
  /** False: the query left them out, and reading them is refused. */
  readonly hasTags: boolean;
  readonly hasPayload: boolean;
  private at = 0;
  private end = 0;
  /** Where first copies lie, and of which events they were given out. */
  private copied: ArrayBuffer | undefined;
  private isCopied: Uint8Array | undefined;

  /** What `batch` holds, whose events have their words in `rows`. */
  constructor(
    batch: Pick<NativeBatch, 'bytes' | 'hasTags' | 'hasPayload'>,
    rows: Uint32Array,
  ) {
    this.bytes = batch.bytes;
    this.view = new DataView(batch.bytes.buffer, batch.bytes.byteOffset, batch.bytes.length);
    this.rows = rows;
    this.hasTags = batch.hasTags;
    this.hasPayload = batch.hasPayload;
  }

  /** The payload of an event. */
  payload(index: number): Payload {
    this.at = this.tagsEnd(index);
    this.end = this.payloadEnd(index);
    const value = this.value();
    if (this.at !== this.end) throw damaged();
    return value;
  }

  /** The tags of an event. */
  tags(index: number): string[] {
    if (!this.hasTags) throw leftOut('tags');
    const { bytes } = this;
    const tags: string[] = [];
    let at = index === 0 ? 0 : this.word(index - 1, PAYLOAD_END);
    for (let left = this.word(index, TAGS); left > 0; left--) {
      // A varint: a tag has at most 255 bytes.
      let length = bytes[at++] as number;
      if (length > 0x7f) length = (length & 0x7f) | ((bytes[at++] as number) << 7);
      tags.push(text(bytes, at, length));
      at += length;
    }
    return tags;
  }

  /**
   * A copy of the bytes of an event's payload. The first one of each event lies in one copy of
   * them all: memory for each costs twenty times as much.
   */
  copy(index: number): Uint8Array {
    const start = this.tagsEnd(index);
    const end = this.payloadEnd(index);
    if (this.copied === undefined || this.isCopied === undefined) {
      const { buffer, byteOffset, length } = this.bytes;
      this.copied = (buffer as ArrayBuffer).slice(byteOffset, byteOffset + length);
      markAsUntransferable(this.copied);
      this.isCopied = new Uint8Array(this.rows.length / ROW_WORDS);
    }
    if (this.isCopied[index] === 1) return this.ownBytes(start, end);
    this.isCopied[index] = 1;
    return new Uint8Array(this.copied, start, end - start);
  }

  /** The bytes of the payloads of `count` events from `first` on, not copied. */
  payloads(first: number, count: number): Uint8Array[] {
    if (!this.hasPayload) throw leftOut('payload');
    const { rows } = this;
    const { buffer, byteOffset } = this.bytes;
    markAsUntransferable(buffer);
    // As long as it becomes: growing it costs a fifth of what is put into it.
    const payloads = new Array<Uint8Array>(count);
    for (let index = 0, row = first * ROW_WORDS; index < count; index++, row += ROW_WORDS) {
      const start = rows[row + TAGS_END] as number;
      const length = (rows[row + PAYLOAD_END] as number) - start;
      payloads[index] = new Uint8Array(buffer, byteOffset + start, length);
    }
    return payloads;
  }

  private tagsEnd(index: number): number {
    return this.word(index, TAGS_END);
  }

  /** Where the payload ends, if payloads are there. */
  private payloadEnd(index: number): number {
    if (!this.hasPayload) throw leftOut('payload');
    return this.word(index, PAYLOAD_END);
  }

  private word(index: number, word: number): number {
    return this.rows[index * ROW_WORDS + word] as number;
  }

  private value(): Payload {
    const first = this.take();
    switch (first >> 5) {
      case 0:
        return this.integer(first & 31, false);
      case 1:
        return this.integer(first & 31, true);
      case 2:
        return this.byteString(this.length(first & 31));
      case 3:
        return this.text(this.length(first & 31));
      case 4:
        return this.array(this.length(first & 31));
      case 5:
        return this.map(this.length(first & 31));
      default:
        return this.simple(first);
    }
  }

  private array(count: number): Payload[] {
    const values: Payload[] = [];
    for (let index = 0; index < count; index++) values.push(this.value());
    return values;
  }

  private map(count: number): { [key: string]: Payload } {
    const object: { [key: string]: Payload } = {};
    for (let index = 0; index < count; index++) {
      const key = this.text(this.length(this.take() & 31));
      const value = this.value();
      if (key === '__proto__') {
        const own = { value, enumerable: true, configurable: true, writable: true };
        Object.defineProperty(object, key, own);
      } else {
        object[key] = value;
      }
    }
    return object;
  }

  private simple(first: number): Payload {
    switch (first) {
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xf6:
        return null;
      case 0xf9:
        return fromHalf(this.view.getUint16(this.skip(2)));
      case 0xfa:
        return this.view.getFloat32(this.skip(4));
      case 0xfb:
        return this.view.getFloat64(this.skip(8));
      default:
        throw damaged();
    }
  }

  /** A number while it is a safe integer, else a bigint. */
  private integer(low: number, negative: boolean): number | bigint {
    if (low === 27) {
      const start = this.skip(8);
      const high = this.view.getUint32(start);
      const argument = this.view.getBigUint64(start);
      const last = negative && argument === 0x1f_ffff_ffff_ffffn;
      if (high >= SAFE_HIGH || last) return negative ? -1n - argument : argument;
      return negative ? -1 - Number(argument) : Number(argument);
    }
    const argument = this.length(low);
    return negative ? -1 - argument : argument;
  }

  /** An argument of up to 32 bits. */
  private length(low: number): number {
    if (low < 24) return low;
    switch (low) {
      case 24:
        return this.take();
      case 25:
        return this.view.getUint16(this.skip(2));
      case 26:
        return this.view.getUint32(this.skip(4));
      default:
        throw damaged();
    }
  }

  /** A copy, so that nobody holds or detaches the bytes of the whole batch through it. */
  private ownBytes(start: number, end: number): Uint8Array {
    return new Uint8Array(this.bytes.subarray(start, end));
  }

  private byteString(length: number): Uint8Array {
    const start = this.skip(length);
    return this.ownBytes(start, start + length);
  }

  private text(length: number): string {
    return text(this.bytes, this.skip(length), length);
  }

  private take(): number {
    return this.bytes[this.skip(1)] as number;
  }

  /** Steps over `count` bytes and returns where they begin. */
  private skip(count: number): number {
    const start = this.at;
    this.at += count;
    if (this.at > this.end) throw damaged();
    return start;
  }
}

/**
 * The value that `bytes` are, which was encoded as a payload is.
 * @throws InternalError the bytes are damaged.
 */
export function decodeValue(bytes: Buffer): Payload {
  const rows = new Uint32Array(ROW_WORDS);
  rows[PAYLOAD_END] = bytes.length;
  return new BatchBytes({ bytes, hasTags: false, hasPayload: true }, rows).payload(0);
}

/** Longer texts are not looked for among the last ones. */
const KNOWN_TEXT_MAX = 64;
/** Of a longer text as many bytes at either end make the hash. */
const HASHED_MAX = 16;

/** Texts that were read lately: keys, tags and short values repeat from event to event. */
const lately: (string | undefined)[] = new Array<string | undefined>(1024).fill(undefined);

/** The UTF-8 of `length` bytes from `start` on. */
function text(bytes: Buffer, start: number, length: number): string {
  if (length > KNOWN_TEXT_MAX) return bytes.toString('utf8', start, start + length);
  let hash = length;
  const middle = start + (length > HASHED_MAX ? HASHED_MAX / 2 : length);
  for (let at = start; at < middle; at++) {
    hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  }
  for (let at = Math.max(middle, start + length - HASHED_MAX / 2); at < start + length; at++) {
    hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  }
  const slot = (hash ^ (hash >>> 10)) & 1023;
  const known = lately[slot];
  if (known !== undefined && equals(known, bytes, start, length)) return known;
  const made = shortAscii(bytes, start, length) ?? bytes.toString('utf8', start, start + length);
  if (made.length === length) lately[slot] = made;
  return made;
}

/** Arrays to make texts from, by the length of the text: faster than a call out of JavaScript. */
const units: number[][] = Array.from({ length: 17 }, (_, length) => new Array(length).fill(0));

/** The text of up to 16 bytes, if it is ASCII. */
function shortAscii(bytes: Buffer, start: number, length: number): string | undefined {
  const array = units[length];
  if (array === undefined) return undefined;
  for (let index = 0; index < length; index++) {
    const unit = bytes[start + index] as number;
    if (unit > 0x7f) return undefined;
    array[index] = unit;
  }
  return String.fromCharCode.apply(null, array);
}

/** Whether the ASCII text `known` is these bytes. */
function equals(known: string, bytes: Buffer, start: number, length: number): boolean {
  if (known.length !== length) return false;
  for (let index = 0; index < length; index++) {
    if (known.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const magnitude =
    exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/** An absent column must not be taken for an empty one. */
function leftOut(column: string): InvalidArgumentError {
  return refuse(
    `the query's option columns leaves ${column} out; name '${column}' in it, or leave it out`,
  );
}

function damaged(): InternalError {
  return new InternalError('the bytes of a payload are damaged');
}
