import { atOnce, stateFrom } from './code';
import { decodeValue } from './decode';
import { encodeValue } from './encode';
import type { Event } from './event';
import { guard, refuse } from './failures';
import { native, type NativeFish } from './native';
import { checkOptions, describe, given, text, whole } from './options';
import type { Payload } from './payload';

/** How states of a fish become bytes and come back. */
export interface Codec<S> {
  /** A part of the fish's definition: another form of the bytes needs another name. */
  readonly name: string;
  /** The bytes of a state: at most 16 MiB, the same for equal states on all nodes. */
  encode(state: S): Uint8Array;
  /** A state of its own from these bytes. */
  decode(bytes: Uint8Array): S;
}

/** What a fish is; see docs/pond.md. Its functions must be functions of their arguments alone. */
export interface FishOptions<S, P = Payload> {
  /**
   * Its name, 1 to 255 bytes, brought to NFC. One definition at a time is observed under one id in
   * a node.
   */
  readonly id: string;
  /**
   * A whole number from 0 on: another one whenever the functions or the form of the state change
   * their meaning.
   */
  readonly version: number;
  /** Which events it folds; see docs/query.md. */
  readonly query: string;
  /** The state before the first event, a new one each time. */
  readonly initial: () => S;
  /**
   * The state after the next event, in the order of keys: what this returns is the state. It may be
   * `state`, changed. Not asynchronous, and it may not publish.
   */
  readonly step: (state: S, event: Event<P>) => S;
  /**
   * True for an event that makes everything before it irrelevant: then the state is the initial one
   * before it is stepped over. Default: no event does.
   */
  readonly isReset?: ((event: Event<P>) => boolean) | undefined;
  /** Default: a state is a value as a payload is, in CBOR, at most 16 MiB. */
  readonly codec?: Codec<S> | undefined;
  /**
   * Declares that states only grow, whatever arrives in whatever order, and how two of them become
   * one that has what either has. `lint` and `checkGrowOnly` of `millpond/testing` check it. Not
   * for a fish with `isReset`: a reset takes back what was before it.
   */
  readonly growOnly?: ((left: S, right: S) => S) | undefined;
}

/** What can be observed: made by {@link fish} or {@link builtin}. */
export abstract class Fish<S> {
  /** Its name; of a built-in, of its definition. */
  abstract readonly id: string;
  /** Which events it folds. */
  readonly query: string;

  /** @internal */
  constructor(query: string) {
    this.query = query;
  }

  /** A state of its own from the bytes of one. */
  abstract decode(bytes: Uint8Array): S;

  /** @internal What it is for the native half. */
  abstract spec(): NativeFish;
}

/** A fish with code; made by {@link fish}. */
export class CodeFish<S, P = Payload> extends Fish<S> {
  /** Its name, as it was given. */
  readonly id: string;
  /** The version of its definition. */
  readonly version: number;
  /** As it was given. */
  readonly initial: () => S;
  /** As it was given. */
  readonly step: (state: S, event: Event<P>) => S;
  /** As it was given. */
  readonly isReset: ((event: Event<P>) => boolean) | undefined;
  /** As it was given. */
  readonly codec: Codec<S> | undefined;
  /** As it was given. */
  readonly growOnly: ((left: S, right: S) => S) | undefined;

  /** @internal */
  constructor(options: FishOptions<S, P>) {
    super(text('fish: query', options.query));
    this.id = text('fish: id', options.id);
    this.version = whole('fish: version', options.version);
    this.initial = code('fish: initial', options.initial) as () => S;
    this.step = code('fish: step', options.step) as CodeFish<S, P>['step'];
    this.isReset = given('fish', 'isReset', options.isReset, code).isReset as typeof this.isReset;
    this.codec = given('fish', 'codec', options.codec, codecOf).codec as typeof this.codec;
    const { growOnly } = given('fish', 'growOnly', options.growOnly, code);
    this.growOnly = growOnly as typeof this.growOnly;
    // The native half refuses the two together.
    const spec = this.spec();
    if (spec.isGrowOnly && spec.hasReset) guard(() => native.fishId(spec));
  }

  /** The bytes of a state. */
  encode(state: S): Uint8Array {
    if (this.codec === undefined) return encodeValue(state, 'state');
    const { name } = this.codec;
    const bytes: unknown = atOnce(`the codec ${name}`, this.codec.encode(state));
    if (bytes instanceof Uint8Array) return bytes;
    throw refuse(`the codec ${name} must encode to a Uint8Array, not ${describe(bytes)}`);
  }

  /** A state of its own from the bytes of one. */
  override decode(bytes: Uint8Array): S {
    if (this.codec !== undefined) {
      return stateFrom(`the codec ${this.codec.name}`, this.codec.decode(bytes));
    }
    const { buffer, byteOffset, length } = bytes;
    return decodeValue(Buffer.from(buffer, byteOffset, length)) as S;
  }

  /** @internal */
  override spec(): NativeFish {
    const { id, version, query, codec, growOnly, isReset } = this;
    return {
      ...{ id, version, query },
      ...{ isGrowOnly: growOnly !== undefined, hasReset: isReset !== undefined },
      ...(codec === undefined ? {} : { codec: codec.name }),
    };
  }
}

/**
 * A fish: a state that is a fold of the events which a query selects, in the order of keys, kept up
 * to date by the node while somebody observes it. Its functions run on the event loop of whoever
 * observed it first, a batch at a time.
 *
 * `S` is the state, `P` what payloads are taken to be. What is wrong with the query or the id is
 * said when it is observed.
 * @throws InvalidArgumentError something has the wrong type, or a function is asynchronous.
 */
export function fish<S, P = Payload>(options: FishOptions<S, P>): CodeFish<S, P> {
  const names = ['id', 'version', 'query', 'initial', 'step', 'isReset', 'codec', 'growOnly'];
  if (options === undefined) throw refuse('fish: give what it is, at least id, version and query');
  checkOptions('fish', options, names);
  return new CodeFish<S, P>(options);
}

/** Whether what a fish shows can be taken back by events that arrive later. */
export interface Monotonicity {
  /** `one_way`: it moves in one direction. */
  readonly verdict: 'monotone' | 'one_way' | 'not_monotone';
  /** True: never. Else it needs a seal, an escrow account or a claim to build on. */
  readonly isMonotone: boolean;
  /** Why. */
  readonly reason: string;
  /** As a sentence. */
  readonly text: string;
}

/**
 * Whether what a fish shows can be taken back by events that arrive later. What it is declared to
 * is not believed here: `lint` of `millpond/testing` checks it.
 * @throws InvalidArgumentError, QueryInvalidError.
 */
export function monotonicity(fish: Fish<unknown>): Monotonicity {
  const checked = fishOf('monotonicity: fish', fish);
  const said = guard(() => native.lintFish(checked.spec(), undefined), checked.query);
  return said as Monotonicity;
}

/** The value, which must be a fish. */
export function fishOf<S>(name: string, value: Fish<S>): Fish<S> {
  if (value instanceof Fish) return value;
  const given: unknown = value;
  throw refuse(`${name} must be made by fish() or builtin(), not ${describe(given)}`);
}

/** The value, which must be a function that is not asynchronous. */
export function code(name: string, value: unknown): unknown {
  if (typeof value !== 'function') {
    throw refuse(`${name} must be a function, not ${describe(value)}`);
  }
  const kind = Object.prototype.toString.call(value);
  if (kind === '[object Function]') return value;
  throw refuse(`${name} must be a plain function: it cannot be asynchronous or a generator`);
}

function codecOf(name: string, value: unknown): unknown {
  const { name: own, encode, decode } = Object(value) as Partial<Codec<unknown>>;
  text(`${name}.name`, own);
  code(`${name}.encode`, encode);
  code(`${name}.decode`, decode);
  return value;
}
