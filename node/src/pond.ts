import { Account, type DoingOptions, type ReportOptions } from './account';
import {
  causal,
  causalOptions,
  Session,
  type CausalOptions,
  type NativeCausal,
} from './causal';
import { Claim } from './claim';
import { deskOf } from './desk';
import { asCode, judged, outsideOfCode } from './code';
import { ask, own, say, type Doing, type WhoDoes } from './doing';
import { outsideOfEffects, runAll, runOnce, type Effect, type Publishing } from './effects';
import type { Event } from './event';
import { refuse } from './failures';
import { code, fishOf, type Fish } from './fish';
import { AllObserver, Group, OneObserver, type MakeFish } from './group';
import { Observer, once, type ObserveOptions, type Place, type State } from './observer';
import { Offsets } from './offsets';
import { bridge, operate } from './operations';
import {
  beginning,
  callOptions,
  checkOptions,
  describe,
  given,
  limitsOf,
  text,
  type CallOptions,
} from './options';
import type { Payload } from './payload';
import type { Published } from './published';
import { publishOptions, publishingOf, type PublishOptions } from './publishing';

/** The options of {@link Node.waitFor}. */
export interface WaitOptions extends CallOptions {
  /** Only for what can match this query, where that is known. */
  readonly query?: string | undefined;
}

/**
 * The options of {@link Node.run}. `timeoutMs` is how long to wait until the effect may begin: then
 * it is {@link TimeoutError}, and the effect did not run. Once it has begun it runs to its end, and
 * what it gives is published; unless `signal` aborts meanwhile: then it is awaited, and dropped.
 */
export interface RunOptions extends PublishOptions {
  /** The effect sees a state that covers these offsets, or their token. */
  readonly after?: Offsets | string | undefined;
}

/** The options of {@link Node.keepRunning}. */
export interface KeepRunningOptions<S> extends CausalOptions {
  /** Ends it: the promise rejects with {@link AbortError}. */
  readonly signal?: AbortSignal | undefined;
  /** As for {@link Node.publish}. */
  readonly durability?: 'power' | 'process' | undefined;
  /** It ends with the first state for which this holds, without running the effect on it. */
  readonly cancelWhen?: ((state: S) => boolean) | undefined;
}

const readOptions = [...callOptions, ...causalOptions];

/**
 * What a node makes of its log: states, effects, and what is divided among nodes. Every
 * {@link Node} is one.
 */
export abstract class Pond {
  /** @internal */
  protected readonly place: Place;

  /** @internal */
  constructor(place: Place) {
    this.place = place;
  }

  /**
   * The states of a fish, as they come; see {@link Observer}. Observers of one fish share one fold;
   * the functions of the first one are run, on its event loop.
   *
   * `timeoutMs` holds for each step, `signal` for all. A state that is given is a copy.
   * @throws InvalidArgumentError an argument has the wrong type. Steps reject with
   * QueryInvalidError, InvalidArgumentError, LimitExceededError (there can be no such fish, or a
   * state is too large), ConflictError with the reason `other_definition` (another fish of this id
   * is observed here), NotYetVisibleError, UserCodeError (code of the fish failed; `cause` is what
   * it threw, if that was here), ClosedError, CorruptError, StorageFailedError, TimeoutError,
   * AbortError.
   */
  observe<S>(fish: Fish<S>, options?: ObserveOptions): Observer<S> {
    outsideOfCode('observe');
    checkOptions('observe', options, readOptions);
    return new Observer<S>(this.place, fishOf('observe: fish', fish), 'observe', {
      ...limitsOf('observe', options),
      ...unchecked(options),
    });
  }

  /**
   * The state of a fish once: of all that is durable here now, or of more.
   * @throws as the steps of {@link Pond.observe}.
   */
  state<S>(fish: Fish<S>, options?: ObserveOptions): Promise<State<S>> {
    outsideOfCode('state');
    return this.#state(fish, options);
  }

  /**
   * A fish for each event that `seeds` selects, and the states of all of them together. `makeFish`
   * is a function of the event alone; null is no fish. Seeds that give one id and definition give
   * one fish; at most 1,024.
   * @throws as {@link Pond.observe}; LimitExceededError with the reason `fish`; UserCodeError with
   * the reason `make_fish`.
   */
  observeAll<S, P = Payload>(
    seeds: string,
    makeFish: (seed: Event<P>) => Fish<S> | null | undefined,
    options?: ObserveOptions,
  ): AllObserver<S> {
    const group = this.#group('observeAll', seeds, makeFish, false, options);
    return new AllObserver<S>(group, limitsOf('observeAll', options));
  }

  /**
   * The states of the fish that the oldest event of `seeds` gives: waits for one, and goes over to
   * another fish when an older seed arrives. Where `makeFish` gives none, nothing is shown, and
   * what was shown before it counts no more.
   * @throws as {@link Pond.observeAll}.
   */
  observeOne<S, P = Payload>(
    seeds: string,
    makeFish: (seed: Event<P>) => Fish<S> | null | undefined,
    options?: ObserveOptions,
  ): OneObserver<S> {
    const group = this.#group('observeOne', seeds, makeFish, true, options);
    return new OneObserver<S>(group, limitsOf('observeOne', options));
  }

  /**
   * Gives `effect` the state of a fish, and publishes what it gives back; undefined when that is
   * nothing. Effects on one fish run one at a time in a process, and each sees what those before it
   * have published. Other nodes act at the same time: what must hold among them all needs an
   * account or a claim.
   * @throws UserCodeError with the reason `effect`: it failed, `cause` is what it threw, and
   * nothing was published; InvalidArgumentError with the reason `nested_effect`: it was called by
   * an effect; as {@link Pond.state} and {@link Node.publish}.
   */
  run<S>(fish: Fish<S>, effect: Effect<S>, options?: RunOptions): Promise<Published | undefined> {
    outsideOfCode('run');
    return this.#run(fish, effect, options);
  }

  /**
   * Runs `effect` as {@link Pond.run} does, now and whenever the state has changed, each time once
   * what the session has seen by then is here. Resolves when `cancelWhen` held for a state, or the
   * node was closed.
   * @throws as {@link Pond.run}; AbortError.
   */
  keepRunning<S>(
    fish: Fish<S>,
    effect: Effect<S>,
    options?: KeepRunningOptions<S>,
  ): Promise<void> {
    outsideOfCode('keepRunning');
    return this.#keepRunning(fish, effect, options);
  }

  /**
   * Resolves once the log covers a token: whatever is read then has seen it.
   * @throws NotYetVisibleError it does not within `timeoutMs`; `missing` names what is missing.
   * InvalidArgumentError, QueryInvalidError, ClosedError, AbortError.
   */
  waitFor(token: Offsets | string, options?: WaitOptions): Promise<void> {
    outsideOfCode('waitFor');
    return this.#waitFor(token, options);
  }

  /**
   * A session that has seen nothing; see {@link Session}. It serves at any node.
   * @throws LimitExceededError: too many are open.
   */
  session(): Session {
    return new Session();
  }

  /**
   * An escrow account; reads nothing.
   * @throws InvalidArgumentError the name is no text. What is wrong with it is said by its calls.
   */
  account(name: string): Account {
    return new Account(deskOf(this.place), text('account: name', name));
  }

  /**
   * An exclusive claim; reads nothing.
   * @throws InvalidArgumentError the name is no text. What is wrong with it is said by its calls.
   */
  claim(what: string): Claim {
    return new Claim(deskOf(this.place), text('claim: what', what));
  }

  /**
   * Says "I do this", offline too: of those that say so the least key wins, and who has lost is
   * told. Saying it again while it stands is the same claim: so what ended with TimeoutError or
   * AbortError, and may have been said all the same, is said again. Resolves when that is durable.
   * @throws InvalidArgumentError, LimitExceededError, StorageFullError, StorageFailedError,
   * ClosedError, NotYetVisibleError, TimeoutError, AbortError.
   */
  doOptimistically(what: string, options?: DoingOptions): Promise<Doing> {
    const call = 'doOptimistically';
    outsideOfCode(call);
    checkOptions(call, options, [...readOptions, 'note']);
    return say(this.place, what, options);
  }

  /**
   * What this node has said about it, if that stands: also after it was opened again.
   * @throws InvalidArgumentError, LimitExceededError, ClosedError, TimeoutError, AbortError.
   */
  ownDoing(what: string, options?: CallOptions): Promise<Doing | undefined> {
    outsideOfCode('ownDoing');
    checkOptions('ownDoing', options, callOptions);
    return own(this.place, what, options);
  }

  /**
   * Who does something, exclusively and optimistically, as far as this node knows.
   * @throws InvalidArgumentError, LimitExceededError, ClosedError, NotYetVisibleError,
   * TimeoutError, AbortError.
   */
  whoDoes(what: string, options?: ReportOptions): Promise<WhoDoes> {
    outsideOfCode('whoDoes');
    checkOptions('whoDoes', options, readOptions);
    return ask(deskOf(this.place), what, options);
  }

  async #state<S>(fish: Fish<S>, options: ObserveOptions | undefined): Promise<State<S>> {
    checkOptions('state', options, readOptions);
    const checked = fishOf('state: fish', fish);
    const left = beginning(limitsOf('state', options));
    return once(this.place, checked, causal('state', options), left);
  }

  #group<S, P>(
    call: string,
    seeds: string,
    makeFish: MakeFish<S, P>,
    onlyFirst: boolean,
    options: ObserveOptions | undefined,
  ): Group<S, P> {
    outsideOfCode(call);
    checkOptions(call, options, readOptions);
    const make = code(`${call}: makeFish`, makeFish) as MakeFish<S, P>;
    return new Group(this.place, text(`${call}: seeds`, seeds), make, call, onlyFirst, {
      ...limitsOf(call, options),
      ...unchecked(options),
    });
  }

  async #run<S>(
    fish: Fish<S>,
    effect: Effect<S>,
    options: RunOptions | undefined,
  ): Promise<Published | undefined> {
    outsideOfEffects();
    checkOptions('run', options, [...publishOptions, 'after']);
    const how = this.#publishing('run', options);
    const checked = fishOf('run: fish', fish);
    const said = causal('run', options);
    return runOnce(how, checked, said, effectOf('run', effect), limitsOf('run', options));
  }

  async #keepRunning<S>(
    fish: Fish<S>,
    effect: Effect<S>,
    options: KeepRunningOptions<S> | undefined,
  ): Promise<void> {
    const { signal, isLast, publishing, ...kept } = keptRunning(fish, effect, options);
    const how = { place: this.place, call: 'keepRunning', options: publishing };
    return runAll(how, kept.fish, kept.said, kept.effect, isLast, { signal });
  }

  async #waitFor(token: Offsets | string, options: WaitOptions | undefined): Promise<void> {
    checkOptions('waitFor', options, [...callOptions, 'query']);
    const wanted = Offsets.tokenOf('waitFor: token', token);
    const { query } = given('waitFor', 'query', options?.query, text);
    await operate(
      'waitFor',
      options,
      (ticket, limit) => bridge.waitFor(ticket, this.place.handle, wanted, query, limit),
      query,
    );
  }

  #publishing(call: string, options: PublishOptions | undefined): Publishing {
    return { place: this.place, call, options: publishingOf(call, options) };
  }
}

/** The causal options as they were given: checked where they are used. */
function unchecked(options: CausalOptions | undefined): CausalOptions {
  return { after: options?.after, session: options?.session };
}

/** @internal An effect that is kept running, and how. */
export interface KeptRunning<S> {
  readonly fish: Fish<S>;
  readonly effect: Effect<S>;
  /** Whether a state is the last one for it. */
  readonly isLast: (state: S) => boolean;
  /** How it publishes, for the native half. */
  readonly publishing: object;
  readonly said: NativeCausal;
  readonly signal: AbortSignal | undefined;
}

/** @internal What `keepRunning` is given, checked. */
export function keptRunning<S>(
  fish: Fish<S>,
  effect: Effect<S>,
  options: KeepRunningOptions<S> | undefined,
): KeptRunning<S> {
  const call = 'keepRunning';
  outsideOfEffects();
  checkOptions(call, options, ['signal', 'durability', 'cancelWhen', ...causalOptions]);
  return {
    publishing: publishingOf(call, options),
    fish: fishOf(`${call}: fish`, fish),
    isLast: endOf(call, options),
    signal: limitsOf(call, options).signal,
    effect: effectOf(call, effect),
    said: causal(call, options),
  };
}

function endOf<S>(
  call: string,
  options: KeepRunningOptions<S> | undefined,
): (state: S) => boolean {
  const { cancelWhen } = given(call, 'cancelWhen', options?.cancelWhen, code);
  const isLast = cancelWhen as ((state: S) => unknown) | undefined;
  return (state) =>
    isLast !== undefined && judged('cancelWhen', asCode(call, () => isLast(state)));
}

/** @internal The effect, which must be a function. */
export function effectOf<S>(call: string, effect: Effect<S>): Effect<S> {
  if (typeof effect === 'function') return effect;
  throw refuse(`${call}: effect must be a function, not ${describe(effect)}`);
}
