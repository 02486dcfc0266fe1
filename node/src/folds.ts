import { decodeValue } from './decode';
import { Fish } from './fish';
import { guard, refuse } from './failures';
import { native, type NativeFish } from './native';
import { describe, text } from './options';
import type { Payload } from './payload';

/** What a fold comes to is known to the type only. */
declare const comesTo: unique symbol;

/**
 * A fold that needs no code, so that no event crosses into JavaScript: a value as docs/pond.md has
 * it, made by {@link folds}. `V` is what it comes to.
 */
export interface Fold<V> {
  /** Which one. */
  readonly fold: string;
  readonly [comesTo]?: V;
}

/** What a built-in shows. */
export interface BuiltinState<V> {
  /** What the fold comes to. */
  readonly value: V;
  /**
   * How often a fold passed over an event: what it looks for is missing, null or of another type.
   */
  readonly skipped: number;
}

/** A whole number within 64 bits, a bigint beyond ±(2^53 − 1), or a float. */
export type FoldNumber = number | bigint;

/** What values a fold looks for. */
export interface TextOption {
  /** Texts, compared by their bytes in UTF-8, in place of numbers. */
  readonly type: 'text';
}

/** What a group is named by. */
export interface IntegerOption {
  /** Whole numbers, as decimal text, in place of texts. */
  readonly type: 'integer';
}

function least<W extends string>(fold: W) {
  function made(of: string): Fold<FoldNumber | null>;
  function made(of: string, options: TextOption): Fold<string | null>;
  function made(of: string, options?: TextOption): Fold<FoldNumber | string | null> {
    return { fold, of, ...options } as Fold<FoldNumber | string | null>;
  }
  return made;
}

/**
 * The built-in folds. A path is a JSON Pointer into the payload: `/weight`, `/axes/0`; the empty
 * one is the whole payload. What is wrong with one is said when it is observed.
 */
export const folds = {
  /** How many events; with a path only of those that have a value there. */
  count(of?: string): Fold<number> {
    return (of === undefined ? { fold: 'count' } : { fold: 'count', of }) as Fold<number>;
  },
  /**
   * The sum of the numbers there, 0 for none; beyond 64 bits its decimal text. From the first float
   * on a float, and null once it was infinite.
   */
  sum(of: string): Fold<FoldNumber | string | null> {
    return { fold: 'sum', of } as Fold<FoldNumber | string | null>;
  },
  /** The least number there, null for none; of equal ones the first. */
  min: least('min'),
  /** The greatest number there, null for none; of equal ones the first. */
  max: least('max'),
  /** The value there of the last event that has one, null for none; without a path the payload. */
  latest<V = Payload>(of?: string): Fold<V | null> {
    return (of === undefined ? { fold: 'latest' } : { fold: 'latest', of }) as Fold<V | null>;
  },
  /** The value there of the first event that has one, null for none; without a path the payload. */
  earliest<V = Payload>(of?: string): Fold<V | null> {
    return (of === undefined ? { fold: 'earliest' } : { fold: 'earliest', of }) as Fold<V | null>;
  },
  /**
   * For each text at the path `by`, or for what follows a prefix in the one tag that has it, the
   * fold `each` of the events that have it.
   */
  group<V>(
    by: string | { readonly tag: string },
    each: Fold<V>,
    options?: IntegerOption,
  ): Fold<Readonly<Record<string, V>>> {
    return { fold: 'group', by, each, ...options } as Fold<Readonly<Record<string, V>>>;
  },
  /** Several folds of the same events, by name. */
  all<F extends Readonly<Record<string, Fold<unknown>>>>(folds: F): Fold<FoldsTo<F>> {
    return { fold: 'all', folds } as Fold<FoldsTo<F>>;
  },
} as const;

/** What several folds come to, by name. */
export type FoldsTo<F extends Readonly<Record<string, Fold<unknown>>>> = {
  readonly [Name in keyof F]: F[Name] extends Fold<infer V> ? V : never;
};

/** A fish without code; made by {@link builtin}. */
export class Builtin<V> extends Fish<BuiltinState<V>> {
  /** What it folds. */
  readonly fold: Fold<V>;
  readonly #json: string;

  /** @internal */
  constructor(query: string, fold: Fold<V>) {
    super(query);
    this.fold = fold;
    try {
      this.#json = JSON.stringify(fold);
    } catch (error) {
      throw refuse('builtin: fold must be made by folds: it is no JSON', error);
    }
  }

  /**
   * The id of its definition: two that fold the same are one.
   * @throws InvalidArgumentError, QueryInvalidError: there is no such fold or query.
   */
  get id(): string {
    return guard(() => native.fishId(this.spec()), this.query);
  }

  /** A state of its own from the bytes of one. */
  override decode(bytes: Uint8Array): BuiltinState<V> {
    const { buffer, byteOffset, length } = bytes;
    return decodeValue(Buffer.from(buffer, byteOffset, length)) as unknown as BuiltinState<V>;
  }

  /** @internal */
  override spec(): NativeFish {
    return { query: this.query, fold: this.#json };
  }
}

/**
 * A fish that folds what `query` selects without code in JavaScript: `builtin("FROM 'weighed'",
 * folds.sum('/kg'))`. Its state is `{ value, skipped }`.
 * @throws InvalidArgumentError something has the wrong type.
 */
export function builtin<V>(query: string, fold: Fold<V>): Builtin<V> {
  const checked = text('builtin: query', query);
  const given: unknown = fold;
  if (typeof given !== 'object' || given === null) {
    throw refuse(`builtin: fold must be made by folds, not ${describe(given)}`);
  }
  return new Builtin<V>(checked, fold);
}
