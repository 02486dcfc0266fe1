import { guard, refuse } from './failures';
import { native } from './native';
import { describe, text, whole } from './options';

/**
 * An offset map: how many events of each stream; a point in history. Immutable.
 *
 * Its text form, the token, is compact and checked: it fits a QR code, a cookie or a column, and
 * every language reads it. An absent stream counts 0.
 */
export class Offsets {
  /** The text form. */
  readonly token: string;

  private constructor(token: string) {
    this.token = token;
  }

  /** @internal For tokens that the native half made. */
  static trusted(token: string): Offsets {
    return new Offsets(token);
  }

  /**
   * Reads a token.
   * @throws InvalidArgumentError it is no token, or damaged.
   */
  static parse(token: string): Offsets {
    const checked = text('Offsets.parse: token', token);
    return new Offsets(guard(() => native.offsetsParse(checked), checked));
  }

  /**
   * The map of these entries: stream id and count from 0 to 2^53 - 1.
   * @throws InvalidArgumentError a stream id or a count is not one.
   */
  static from(entries: Iterable<readonly [stream: string, count: number]>): Offsets {
    const list = Array.from(entries, ([stream, count]) => ({
      stream: text('Offsets.from: stream', stream),
      count: whole('Offsets.from: count', count),
    }));
    return new Offsets(guard(() => native.offsetsFromEntries(list)));
  }

  /**
   * Of several maps, or their tokens, and of every stream the greatest count; of none an empty map.
   * @throws InvalidArgumentError one is no token.
   */
  static merge(tokens: Iterable<Offsets | string>): Offsets {
    const list = Array.from(tokens, (token) => Offsets.tokenOf('Offsets.merge: token', token));
    return new Offsets(guard(() => native.offsetsMerge(list)));
  }

  /** @internal The token of an argument: offsets, or their token. */
  static tokenOf(name: string, value: unknown): string {
    if (value instanceof Offsets) return value.token;
    if (typeof value === 'string') return text(name, value);
    throw refuse(`${name} must be Offsets or their token, not ${describe(value)}`);
  }

  /** Stream id and count, by rising stream id; only streams that count more than 0. */
  entries(): [stream: string, count: number][] {
    const entries = guard(() => native.offsetsEntries(this.token));
    return entries.map(({ stream, count }) => [stream, count]);
  }

  /**
   * How many events of `stream`: 0 when it is absent.
   * @throws InvalidArgumentError `stream` is no stream id.
   */
  count(stream: string): number {
    const checked = text('Offsets.count: stream', stream);
    return guard(() => native.offsetsCount(this.token, checked));
  }

  /** The events of all streams together. */
  total(): number {
    return guard(() => native.offsetsTotal(this.token));
  }

  /** Whether this holds at least what `other` holds, of every stream. */
  covers(other: Offsets): boolean {
    const token = Offsets.tokenOf('Offsets.covers: other', other);
    return guard(() => native.offsetsCovers(this.token, token));
  }

  /** Of every stream the greater count. */
  join(other: Offsets): Offsets {
    const token = Offsets.tokenOf('Offsets.join: other', other);
    return new Offsets(guard(() => native.offsetsJoin(this.token, token)));
  }

  /** Whether both hold the same of every stream. */
  equals(other: Offsets): boolean {
    return this.token === other.token;
  }

  /** The token. */
  toString(): string {
    return this.token;
  }

  /** The token. */
  toJSON(): string {
    return this.token;
  }
}
