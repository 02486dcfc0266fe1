/**
 * From the bytes of a payload to JavaScript values.
 *
 * The bytes were checked when they were published or received, so only what would run past their
 * end is refused here.
 */
import { InternalError } from './error-kinds';
import type { Payload } from './payload';

const SAFE_HIGH = 0x20_0000;

/** The value that `bytes` encode. */
export function decode(bytes: Uint8Array): Payload {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (reader.left !== 0) throw damaged();
  return value;
}

class Reader {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  value(): Payload {
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

  private byteString(length: number): Uint8Array {
    const start = this.skip(length);
    // A copy, so that nobody holds or detaches the bytes of the whole batch through it.
    return new Uint8Array(this.bytes.subarray(start, start + length));
  }

  private text(length: number): string {
    const start = this.skip(length);
    return length <= SHORT_TEXT
      ? shortText(this.bytes, start, length)
      : this.bytes.toString('utf8', start, start + length);
  }

  private take(): number {
    return this.bytes[this.skip(1)] as number;
  }

  /** Steps over `count` bytes and returns where they begin. */
  private skip(count: number): number {
    const start = this.at;
    this.at += count;
    if (this.at > this.bytes.length) throw damaged();
    return start;
  }
}

const SHORT_TEXT = 24;

/** Texts that were read lately: keys and short values repeat from event to event. */
const lately: (string | undefined)[] = new Array<string | undefined>(512).fill(undefined);

function shortText(bytes: Buffer, start: number, length: number): string {
  let hash = length;
  for (let at = start; at < start + length; at++) {
    hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  }
  const slot = hash & 511;
  const known = lately[slot];
  if (known !== undefined && equals(known, bytes, start, length)) return known;
  const text = bytes.toString('utf8', start, start + length);
  if (text.length === length) lately[slot] = text;
  return text;
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

function damaged(): InternalError {
  return new InternalError('the bytes of a payload are damaged');
}
