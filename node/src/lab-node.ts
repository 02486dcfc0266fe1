/** A node of a lab: the calls of a {@link Node}, answered in virtual time. */
import { EventBatch, withEncoded, type NewEvent } from './batch';
import { Account, type DoingOptions, type ReportOptions } from './account';
import { causal, causalOptions, Session } from './causal';
import { Claim } from './claim';
import { outsideOfCode } from './code';
import { ask, type Doing, type WhoDoes } from './doing';
import { isOver as isEnded, outsideOfEffects, wanted, type Effect } from './effects';
import { ClosedError, NotYetVisibleError } from './error-kinds';
import type { Event } from './event';
import { guard } from './failures';
import { fishOf, type Fish } from './fish';
import type { Lab } from './lab';
import { LabDesk, refuseAborted, type LabLosses } from './lab-desk';
import { LabObserver } from './lab-observer';
import type { NativeLab } from './native';
import type { ObserveOptions, State } from './observer';
import { Offsets } from './offsets';
import { within } from './operations';
import { callOptions, checkOptions, given, text, type CallOptions } from './options';
import type { Payload } from './payload';
import {
  effectOf,
  keptRunning,
  type KeepRunningOptions,
  type RunOptions,
  type WaitOptions,
} from './pond';
import { Published } from './published';
import { publishOptions, publishingOf, type PublishOptions } from './publishing';

const readOptions = [...callOptions, ...causalOptions];

/** @internal What a lab does for its nodes. */
export interface LabHalf {
  readonly lab: Lab;
  readonly native: NativeLab;
  /** The state of a fish at a node, judged. */
  state<S>(node: number, fish: Fish<S>, options: ObserveOptions | undefined): State<S>;
  /** The turns of effects, by node and fish: each ends when the last one has. */
  readonly turns: Map<string, Promise<void>>;
  /** Who waits for the loss of a claim. */
  readonly losses: LabLosses;
  /** Resolves when time has passed, or a process has ended. */
  passed(): Promise<void>;
  /** Does what a node may die of: then those are told that wait. */
  deed<T>(node: number, work: () => T): T;
}

/**
 * A node of a {@link Lab}: what takes a {@link Node} and uses these calls takes this, too. They
 * have the same arguments and errors, and what they do is done when they return; promises only say
 * what came of it. Made by {@link Lab.node}.
 *
 * Nothing waits: what a node would wait for is there, or is refused at once with
 * {@link NotYetVisibleError}, because time passes only by {@link Lab.advance} and the like. Not
 * here: subscriptions and groups of fish; nor `reports` of an account or a claim.
 */
export class LabNode {
  /** Its index; the first is 0. */
  readonly index: number;
  /** Its public key: 64 hex digits. */
  readonly id: string;
  readonly #half: LabHalf;
  readonly #desk: LabDesk;

  /** @internal */
  constructor(half: LabHalf, index: number) {
    this.#half = half;
    this.#desk = new LabDesk(half, index);
    this.index = index;
    this.id = guard(() => half.native.nodeId(index));
  }

  /** False while it does not run. */
  get isOpen(): boolean {
    return guard(() => this.#half.native.isUp(this.index));
  }

  /** What is durable here. */
  offsets(): Offsets {
    return Offsets.trusted(guard(() => this.#half.native.offsets(this.index)));
  }

  /** As {@link Node.session}. */
  session(): Session {
    return new Session();
  }

  /**
   * As {@link Node.publish}. With the durability `process` nobody sees the events before some time
   * passes, and a power cut before that may take them back.
   * @throws ClosedError: it does not run, or dies in the middle ({@link LabOptions.faults}).
   * InvalidArgumentError, LimitExceededError, ConflictError, NotYetVisibleError, AbortError.
   */
  publish(
    events: NewEvent | readonly NewEvent[],
    options?: PublishOptions,
  ): Promise<Published> {
    outsideOfCode('publish');
    return this.#publish(events, options);
  }

  /**
   * As {@link Node.query}, of all that is durable here.
   * @throws InvalidArgumentError an option has the wrong type. Steps reject with ClosedError,
   * QueryInvalidError, NotYetVisibleError, AbortError.
   */
  query<P = Payload>(query: string, options?: ObserveOptions): LabQuery<P> {
    outsideOfCode('query');
    checkOptions('query', options, readOptions);
    const checked = text('query: query', query);
    return new LabQuery<P>(this.#query<P>(checked, options));
  }

  /**
   * As {@link Node.state}, after the judge saw it.
   * @throws UserCodeError: code of the fish failed, or the state is wrong: `reason` is `step`,
   * `codec`, `encode` or `is_reset` then, and the message says what does this. ConflictError:
   * another fish of this id is at work here. ClosedError, NotYetVisibleError, AbortError.
   */
  state<S>(fish: Fish<S>, options?: ObserveOptions): Promise<State<S>> {
    outsideOfCode('state');
    return this.#state(fish, options);
  }

  /**
   * As {@link Node.observe}: each step looks at once, and then after each call that lets time pass,
   * when the event loop comes to it, until the state is a new one. It ends with the node's process.
   * @throws InvalidArgumentError an argument has the wrong type. Steps reject as
   * {@link LabNode.state}, and with TimeoutError.
   */
  observe<S>(fish: Fish<S>, options?: ObserveOptions): LabObserver<S> {
    outsideOfCode('observe');
    checkOptions('observe', options, readOptions);
    return new LabObserver<S>(this.#half, this.index, fishOf('observe: fish', fish), options);
  }

  /**
   * As {@link Node.run}: `effect` may be asynchronous, and the effects on one fish of this node
   * take turns. If the node ends meanwhile, what it gives is not published.
   * @throws UserCodeError with the reason `effect`; InvalidArgumentError with the reason
   * `nested_effect`; as {@link LabNode.state} and {@link LabNode.publish}.
   */
  run<S>(fish: Fish<S>, effect: Effect<S>, options?: RunOptions): Promise<Published | undefined> {
    outsideOfCode('run');
    return this.#run(fish, effect, options);
  }

  /**
   * As {@link Node.keepRunning}: the effect runs now, and then once after each call that lets time
   * pass, when the event loop comes to it, if the state is a new one. Resolves when `cancelWhen`
   * held for a state, or the node's process has ended.
   * @throws as {@link LabNode.run}.
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
   * As {@link Node.waitFor}, without waiting.
   * @throws NotYetVisibleError: it is not held here. InvalidArgumentError, QueryInvalidError,
   * ClosedError.
   */
  async waitFor(token: Offsets | string, options?: WaitOptions): Promise<void> {
    outsideOfCode('waitFor');
    checkOptions('waitFor', options, [...callOptions, 'query']);
    refuseAborted('waitFor', options);
    const wanted = Offsets.tokenOf('waitFor: token', token);
    const { query } = given('waitFor', 'query', options?.query, text);
    guard(() => this.#half.native.waitFor(this.index, wanted, query), query);
  }

  /** As {@link Node.account}. It is that of whatever life of the node. */
  account(name: string): Account {
    return new Account(this.#desk, text('account: name', name));
  }

  /** As {@link Node.claim}. It is that of whatever life of the node. */
  claim(what: string): Claim {
    return new Claim(this.#desk, text('claim: what', what));
  }

  /**
   * As {@link Node.doOptimistically}. Its {@link Doing.next} rejects with TimeoutError where that
   * of a node would wait, {@link Doing.lost} resolves when time has passed, and both end with the
   * process of the node.
   */
  async doOptimistically(what: string, options?: DoingOptions): Promise<Doing> {
    const call = 'doOptimistically';
    outsideOfCode(call);
    checkOptions(call, options, [...readOptions, 'note']);
    return this.#desk.say(call, text(`${call}: what`, what), options);
  }

  /** As {@link Node.ownDoing}. */
  async ownDoing(what: string, options?: CallOptions): Promise<Doing | undefined> {
    const call = 'ownDoing';
    outsideOfCode(call);
    checkOptions(call, options, callOptions);
    return this.#desk.own(call, text(`${call}: what`, what), options);
  }

  /** As {@link Node.whoDoes}. */
  async whoDoes(what: string, options?: ReportOptions): Promise<WhoDoes> {
    outsideOfCode('whoDoes');
    checkOptions('whoDoes', options, readOptions);
    return ask(this.#desk, what, options);
  }

  async #publish(
    events: NewEvent | readonly NewEvent[],
    options: PublishOptions | undefined,
  ): Promise<Published> {
    checkOptions('publish', options, publishOptions);
    refuseAborted('publish', options);
    const list = Array.isArray(events) ? (events as NewEvent[]) : [events as NewEvent];
    return this.#append(list, undefined, publishingOf('publish', options));
  }

  #append(events: readonly NewEvent[], life: number | undefined, how: object): Published {
    const { native, deed } = this.#half;
    const published = withEncoded(events, (bytes) =>
      deed(this.index, () => native.publish(this.index, life, bytes, how)),
    );
    return new Published(published);
  }

  async #query<P>(
    query: string,
    options: ObserveOptions | undefined,
  ): Promise<readonly Event<P>[]> {
    refuseAborted('query', options);
    const { native } = this.#half;
    const said = causal('query', options);
    return EventBatch.from<P>(guard(() => native.query(this.index, query, said), query)).events;
  }

  async #state<S>(fish: Fish<S>, options: ObserveOptions | undefined): Promise<State<S>> {
    checkOptions('state', options, readOptions);
    refuseAborted('state', options);
    return this.#half.state(this.index, fishOf('state: fish', fish), options);
  }

  async #run<S>(
    fish: Fish<S>,
    effect: Effect<S>,
    options: RunOptions | undefined,
  ): Promise<Published | undefined> {
    outsideOfEffects();
    checkOptions('run', options, [...publishOptions, 'after']);
    const how = publishingOf('run', options);
    const checked = fishOf('run: fish', fish);
    const running = effectOf('run', effect);
    const { after, session } = options ?? {};
    return this.#turn(checked, how, options, () =>
      wanted(checked, this.#half.state(this.index, checked, { after, session }), running),
    );
  }

  /** Publishes what `act` gives when it is its turn on the fish, in the life of the node then. */
  async #turn<S>(
    fish: Fish<S>,
    how: object,
    options: CallOptions | undefined,
    act: () => Promise<readonly NewEvent[]>,
  ): Promise<Published | undefined> {
    const { native, turns } = this.#half;
    const place = `${this.index} ${fish.id}`;
    const before = turns.get(place);
    let end = (): void => {};
    const turn = new Promise<void>((resolve) => (end = resolve));
    turns.set(place, turn);
    await before;
    try {
      refuseAborted('run', options);
      const life = guard(() => native.life(this.index));
      const events = await act();
      refuseAborted('run', options);
      return events.length === 0 ? undefined : this.#append(events, life, how);
    } finally {
      if (turns.get(place) === turn) turns.delete(place);
      end();
    }
  }

  async #keepRunning<S>(
    fish: Fish<S>,
    effect: Effect<S>,
    options: KeepRunningOptions<S> | undefined,
  ): Promise<void> {
    const kept = keptRunning(fish, effect, options);
    const { signal, said, publishing } = kept;
    const { after, session } = options ?? {};
    const { native } = this.#half;
    const life = guard(() => native.life(this.index));
    let [last, isOver] = [0, false];
    const judging: Effect<S> = (state, token) => {
      isOver = kept.isLast(state);
      return isOver ? undefined : kept.effect(state, token);
    };
    const act = async (): Promise<readonly NewEvent[]> => {
      isOver = guard(() => native.life(this.index)) !== life;
      if (isOver) return [];
      const state = this.#due(kept.fish, last, { after, session });
      if (state === undefined) return [];
      last = state.number;
      return wanted(kept.fish, state, judging);
    };
    try {
      for (;;) {
        // What time brings while the effect works is looked at after it.
        const passed = this.#half.passed();
        await this.#turn(kept.fish, publishing, { signal }, act);
        if (isOver) return;
        await within(passed, { signal });
        if (guard(() => native.life(this.index)) !== life) return;
      }
    } catch (error) {
      if (!(error instanceof ClosedError) || isEnded(said.session)) throw error;
    }
  }

  /** A state other than the `last` one; after the first one once the session's is here. */
  #due<S>(fish: Fish<S>, last: number, options: ObserveOptions): State<S> | undefined {
    try {
      const state = this.#half.state(this.index, fish, options);
      return state.number === last ? undefined : state;
    } catch (error) {
      if (last !== 0 && error instanceof NotYetVisibleError) return undefined;
      throw error;
    }
  }
}

/** The answer to a query of a lab. */
export class LabQuery<P> implements AsyncIterable<Event<P>> {
  readonly #events: Promise<readonly Event<P>[]>;

  /** @internal */
  constructor(events: Promise<readonly Event<P>[]>) {
    this.#events = events;
    // Whoever takes a step hears of it.
    events.catch(() => {});
  }

  /** All events. */
  async toArray(): Promise<Event<P>[]> {
    return [...(await this.#events)];
  }

  /** One event after the other. */
  async *[Symbol.asyncIterator](): AsyncIterator<Event<P>> {
    yield* await this.#events;
  }
}
