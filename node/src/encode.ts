/**
 * From JavaScript values to the bytes that events are published in: CBOR in its deterministic form
 * (RFC 8949, §4.2.1).
 *
 * This decides which value becomes which CBOR item, nothing else: the native half checks every
 * payload again (form, sizes, nesting), so a mistake here is refused and never stored. It is
 * written here, and not in Rust over Node-API, because one crossing per property costs several
 * times as much as the encoding (node/README.md, "Figures").
 */
import { InvalidArgumentError, LimitExceededError } from './error-kinds';
import { refuse } from './failures';
import { native } from './native';
import { describe, isWellFormed } from './options';

const { nestingMax } = native.limits();
const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 64n - 1n;
/** Up to this length a text is copied by a loop, which is faster than a call then. */
const SHORT_TEXT = 40;
/** Longer key lists are not kept. */
const SHAPE_KEYS_MAX = 64;
/** A writer that grew larger is not kept for the next call. */
const KEPT_BYTES = 1 << 20;

/** Bytes under construction. */
export class Writer {
  private bytes: Buffer = Buffer.allocUnsafeSlow(4096);
  private view: DataView = viewOf(this.bytes);
  private length = 0;
  /** Where in the value we are: keys and indexes from the top. */
  private readonly path: (string | number)[] = [];
  /** What it is, for messages, or which event of the batch it is the payload of. */
  private name: string | number = 0;

  /** What was written, valid until the next write. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** Begins again. */
  clear(): void {
    this.length = 0;
    this.path.length = 0;
  }

  /** True when keeping it for the next call is worth its memory. */
  get isSmall(): boolean {
    return this.bytes.length <= KEPT_BYTES;
  }

  /** A 32-bit number, little endian. */
  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** Leaves room for the length of what is written until {@link Writer.endSized}. */
  beginSized(): number {
    this.u32(0);
    return this.length;
  }

  /** What was written since `start`, as {@link Writer.beginSized} returned it, is all. */
  endSized(start: number): void {
    this.view.setUint32(start - 4, this.length - start, true);
  }

  /** The length of a text's UTF-8, then that. False: it is not well-formed. */
  sizedText(text: string): boolean {
    this.reserve(4 + text.length * 3);
    const start = this.length + 4;
    let { length } = text;
    if (length > SHORT_TEXT || !this.asciiAt(start, text)) {
      if (!isWellFormed(text)) return false;
      length = this.bytes.write(text, start, 'utf8');
    }
    this.view.setUint32(start - 4, length, true);
    this.length = start + length;
    return true;
  }

  /** The number of these bytes, then they. */
  sizedRaw(bytes: Uint8Array): void {
    this.reserve(4 + bytes.length);
    this.view.setUint32(this.length, bytes.length, true);
    this.bytes.set(bytes, this.length + 4);
    this.length += 4 + bytes.length;
  }

  /** These bytes. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /**
   * The payload of event `event` of the batch.
   * @throws InvalidArgumentError, LimitExceededError: something in it has no place in a payload.
   */
  payload(value: unknown, event: number): void {
    this.name = event;
    this.value(value, 0);
  }

  /**
   * A value that is no payload of an event but as one in all else; `name` is what it is.
   * @throws InvalidArgumentError, LimitExceededError: something in it has no place in a payload.
   */
  named(value: unknown, name: string): void {
    this.name = name;
    this.value(value, 0);
  }

  private value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        return this.number(value);
      case 'boolean':
        return this.byte(value ? 0xf5 : 0xf4);
      case 'bigint':
        return this.bigint(value);
      case 'object':
        if (value === null) return this.byte(0xf6);
        return this.object(value, depth);
      default:
        throw this.refused(value);
    }
  }

  private object(value: object, depth: number): void {
    if (isBytes(value)) return this.byteString(value);
    if (depth === nestingMax) {
      const where = this.where();
      throw new LimitExceededError(`${where} is nested deeper than ${nestingMax}, or in a cycle`);
    }
    if (Array.isArray(value)) return this.array(value, depth);
    if (!isPlain(value)) throw this.refused(value);
    this.map(value as Record<string, unknown>, depth);
  }

  private array(values: readonly unknown[], depth: number): void {
    const count = values.length;
    this.head(4, count);
    for (let index = 0; index < count; index++) {
      this.path.push(index);
      this.value(values[index], depth + 1);
      this.path.pop();
    }
  }

  private map(object: Record<string, unknown>, depth: number): void {
    const keys = sortedKeys(object);
    // Each value is read once: a getter may answer differently the next time.
    const values: unknown[] = [];
    let count = 0;
    for (const key of keys) {
      const value = object[key];
      values.push(value);
      if (value !== undefined) count++;
    }
    this.head(5, count);
    for (let index = 0; index < keys.length; index++) {
      if (values[index] === undefined) continue;
      const key = keys[index] as string;
      this.path.push(key);
      this.text(key);
      this.value(values[index], depth + 1);
      this.path.pop();
    }
  }

  private number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      return value < 0 ? this.head(1, -1 - value) : this.head(0, value);
    }
    if (!Number.isFinite(value)) {
      throw new InvalidArgumentError(`${this.where()} is ${value}; NaN and infinities are refused`);
    }
    const half = toHalf(value);
    this.reserve(9);
    if (half >= 0) {
      this.bytes[this.length] = 0xf9;
      this.view.setUint16(this.length + 1, half);
      this.length += 3;
    } else if (Math.fround(value) === value) {
      this.bytes[this.length] = 0xfa;
      this.view.setFloat32(this.length + 1, value);
      this.length += 5;
    } else {
      this.bytes[this.length] = 0xfb;
      this.view.setFloat64(this.length + 1, value);
      this.length += 9;
    }
  }

  private bigint(value: bigint): void {
    if (value < INTEGER_MIN || value > INTEGER_MAX) {
      throw new LimitExceededError(`${this.where()} is ${value}n, which does not fit 64 bits`);
    }
    const major = value < 0n ? 1 : 0;
    const argument = value < 0n ? -1n - value : value;
    if (argument <= 0xffff_ffffn) return this.head(major, Number(argument));
    this.reserve(9);
    this.bytes[this.length] = (major << 5) | 27;
    this.view.setBigUint64(this.length + 1, argument);
    this.length += 9;
  }

  private byteString(value: Uint8Array): void {
    this.head(2, value.length);
    this.raw(value);
  }

  private text(text: string): void {
    if (text.length <= SHORT_TEXT && this.shortAscii(text)) return;
    if (!isWellFormed(text)) {
      throw refuse(`${this.where()} is text that holds half of a surrogate pair`);
    }
    const length = Buffer.byteLength(text);
    this.head(3, length);
    this.reserve(length);
    this.bytes.write(text, this.length, length === text.length ? 'latin1' : 'utf8');
    this.length += length;
  }

  /** Writes `text` if it is ASCII; else writes nothing and returns false. */
  private shortAscii(text: string): boolean {
    this.reserve(SHORT_TEXT + 2);
    const start = this.length;
    const at = start + (text.length < 24 ? 1 : 2);
    if (!this.asciiAt(at, text)) return false;
    if (text.length < 24) {
      this.bytes[start] = 0x60 | text.length;
    } else {
      this.bytes[start] = 0x78;
      this.bytes[start + 1] = text.length;
    }
    this.length = at + text.length;
    return true;
  }

  /** Puts `text` at `start`, where there is room for it. False: it is not ASCII. */
  private asciiAt(start: number, text: string): boolean {
    const { bytes } = this;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 0x7f) return false;
      bytes[start + index] = unit;
    }
    return true;
  }

  private head(major: number, argument: number): void {
    this.reserve(9);
    const { bytes, view, length } = this;
    const first = major << 5;
    if (argument < 24) {
      bytes[length] = first | argument;
      this.length += 1;
    } else if (argument < 0x100) {
      bytes[length] = first | 24;
      bytes[length + 1] = argument;
      this.length += 2;
    } else if (argument < 0x1_0000) {
      bytes[length] = first | 25;
      view.setUint16(length + 1, argument);
      this.length += 3;
    } else if (argument < 0x1_0000_0000) {
      bytes[length] = first | 26;
      view.setUint32(length + 1, argument);
      this.length += 5;
    } else {
      bytes[length] = first | 27;
      view.setUint32(length + 1, Math.floor(argument / 0x1_0000_0000));
      view.setUint32(length + 5, argument % 0x1_0000_0000);
      this.length += 9;
    }
  }

  private byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + count));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
    this.view = viewOf(grown);
  }

  private refused(value: unknown): InvalidArgumentError {
    return refuse(
      `${this.where()} is ${describe(value)}, which has no place in a payload; give null, a ` +
        'boolean, a number, a bigint, a string, a Uint8Array, an array or a plain object',
    );
  }

  /** `event 2: payload.items[3]`. */
  private where(): string {
    const steps = this.path.map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
    });
    const whole = typeof this.name === 'number' ? `event ${this.name}: payload` : this.name;
    return `${whole}${steps.join('')}`;
  }
}

let spare: Writer | undefined;

/**
 * Encodes with a writer and gives what `use` makes of the bytes, which must be done with them when
 * it returns.
 */
export function withWriter<T>(write: (writer: Writer) => void, use: (bytes: Uint8Array) => T): T {
  const writer = spare ?? new Writer();
  // Reading a payload may run the caller's getters, and those may publish, too.
  spare = undefined;
  writer.clear();
  write(writer);
  const result = use(writer.written());
  if (writer.isSmall) spare = writer;
  return result;
}

/**
 * A value as the bytes of a payload; `name` is what it is in messages.
 * @throws InvalidArgumentError, LimitExceededError: something in it has no place in a payload.
 */
export function encodeValue(value: unknown, name: string): Uint8Array {
  return withWriter(
    (writer) => writer.named(value, name),
    // A buffer's own slice would be a view of what the next call overwrites.
    (bytes) => Uint8Array.from(bytes),
  );
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Also for objects of other realms, such as a test runner's. */
export function isBytes(value: object): value is Uint8Array {
  if (!ArrayBuffer.isView(value)) return false;
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === UINT8_ARRAY;
}

const UINT8_ARRAY = '[object Uint8Array]';

/** Made by `{}` or `Object.create(null)`, in any realm. */
function isPlain(value: object): boolean {
  if (ArrayBuffer.isView(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  if (Object.getPrototypeOf(prototype) !== null) return false;
  return Object.hasOwn(prototype as object, 'isPrototypeOf');
}

/** Key lists that were sorted lately, as they stand in objects and sorted: they repeat. */
const shapes: ({ keys: string[]; sorted: string[] } | undefined)[] = new Array<undefined>(64).fill(
  undefined,
);

/** The keys in the order of their encodings: by the length of their UTF-8, then by its bytes. */
function sortedKeys(object: object): readonly string[] {
  const keys = Object.keys(object);
  const count = keys.length;
  if (count < 2) return keys;
  const slot = (count * 31 + (keys[0] as string).length * 7 + (keys[1] as string).length) & 63;
  const known = shapes[slot];
  if (known !== undefined && known.keys.length === count) {
    let index = 0;
    while (index < count && known.keys[index] === keys[index]) index++;
    if (index === count) return known.sorted;
  }
  const sorted = keys.slice().sort(compareKeys);
  if (count <= SHAPE_KEYS_MAX) shapes[slot] = { keys, sorted };
  return sorted;
}

function compareKeys(left: string, right: string): number {
  if (isAscii(left) && isAscii(right)) {
    return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
  }
  const [leftBytes, rightBytes] = [Buffer.from(left), Buffer.from(right)];
  return leftBytes.length - rightBytes.length || Buffer.compare(leftBytes, rightBytes);
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false;
  }
  return true;
}

const scratch = new DataView(new ArrayBuffer(8));

/** The bits of the 16-bit float that equals `value` exactly, or −1 if there is none. */
function toHalf(value: number): number {
  if (Math.fround(value) !== value) return -1;
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127;
  const fraction = bits & 0x7f_ffff;
  if (value === 0) return sign;
  if (exponent >= -14 && exponent <= 15) {
    return (fraction & 0x1fff) === 0 ? sign | ((exponent + 15) << 10) | (fraction >>> 13) : -1;
  }
  // Below 2^-14 a half counts in steps of 2^-24.
  const steps = Math.abs(value) * 2 ** 24;
  return exponent < -14 && Number.isInteger(steps) ? sign | steps : -1;
}
