/**
 * The testing kit: a swarm in memory, with virtual time, to run your own fish and effects under.
 *
 * Everything that happens by chance follows from a seed: partitions, crashes, the order in which
 * events arrive, in which pieces a fold takes them, and which of its states are remembered. Beside
 * each fold stands a judge, so that a fish which is no fold of its events is found and told why. A
 * seed that fails fails again: set `MILLPOND_SEED`. Begin with {@link Lab} or {@link testWithLab}.
 *
 * Longer than 500 lines because it is one entry of the package, and half of it documentation.
 *
 * @packageDocumentation
 */
import { EventBatch, withEncoded, type NewEvent } from './batch';
import { asCode, atOnce, judged, messageOf, outsideOfCode, stateFrom } from './code';
import { decodeValue } from './decode';
import type { Wanted } from './effects';
import { Writer } from './encode';
import { UserCodeError } from './error-kinds';
import type { Event } from './event';
import { guard, refuse } from './failures';
import {
  native,
  type NativeLab,
  type NativeLabAnswer,
  type NativeLabFish,
} from './native';
import { Offsets } from './offsets';
import { checkOptions, describe, given, number, text, whole } from './options';
import type { Payload } from './payload';
import { Published } from './published';

/** How a lab is made; what is left out has its default. */
export interface LabOptions {
  /** Number of nodes, 1 to 64; 3. All of them run and reach each other at first. */
  readonly nodes?: number | undefined;
  /** All chance follows from it; 1, or what the environment says in `MILLPOND_SEED`. */
  readonly seed?: number | undefined;
  /** The application that publishes. */
  readonly app?: string | undefined;
  /** The wall clocks of the nodes are wrong by at most so many milliseconds; 300,000. */
  readonly skewMsMax?: number | undefined;
}

/** How the states of a fish become bytes and come back. */
export interface CodecLike<S> {
  /** A part of the fish's definition. */
  readonly name: string;
  /** The bytes of a state. */
  encode(state: S): Uint8Array;
  /** The state of these bytes, equal to the encoded one for every step that follows. */
  decode(bytes: Uint8Array): S;
}

/** What a fish has: see docs/pond.md. */
export interface FishLike<S, P = Payload> {
  /** Its name. */
  readonly id: string;
  /** Of its functions and the form of its state. */
  readonly version: number;
  /** Which events it folds. */
  readonly query: string;
  /** The state before the first event, a new one each time. */
  readonly initial: () => S;
  /** What a state becomes by the next event. */
  readonly step: (state: S, event: Event<P>) => S;
  /** An event for which this holds makes everything before it irrelevant. */
  readonly isReset?: ((event: Event<P>) => boolean) | undefined;
  /** How a state becomes bytes. By default it is one value such as a payload may be. */
  readonly codec?: CodecLike<S> | undefined;
  /** Declares that the fish only grows: the least state that is at least both. */
  readonly growOnly?: ((left: S, right: S) => S) | undefined;
}

/** A fish that takes no code; its state is an object of `value` and `skipped`. */
export interface BuiltInLike {
  /** Which events it folds. */
  readonly query: string;
  /** How, such as `{ fold: 'sum', of: '/amount' }`. */
  readonly fold: object;
}

/** Whether an answer can be taken back by events that arrive later. */
export interface Lint {
  /** What such events can do: add to it, move it in one direction, or change it in any way. */
  readonly verdict: 'monotone' | 'one_way' | 'not_monotone';
  /** True when the answer will never be retracted. */
  readonly isMonotone: boolean;
  /** Why. */
  readonly reason: string;
  /** All of it as one line for people. */
  readonly text: string;
}

/** A fish of any state. */
// The functions of a fish take its state and give it, so only `any` stands for all of them.
type AnyFish = FishLike<any, any>;

/** Code of a fish threw something. */
class Failed {
  constructor(
    readonly name: string,
    readonly index: number | undefined,
    readonly cause: unknown,
  ) {}
}

/**
 * A swarm in memory. Nodes are named by their index, and the first is 0. Equal options and equal
 * calls give equal results.
 */
export class Lab {
  readonly #native: NativeLab;
  readonly #fish = new Map<number, AnyFish>();
  readonly #workers = new Map<string, Worker>();

  /** @throws InvalidArgumentError, LimitExceededError: an option is refused. */
  constructor(options?: LabOptions) {
    checkOptions('Lab', options, ['nodes', 'seed', 'app', 'skewMsMax']);
    const checked = {
      ...given('Lab', 'nodes', options?.nodes, whole),
      ...given('Lab', 'seed', options?.seed, whole),
      ...given('Lab', 'app', options?.app, text),
      ...given('Lab', 'skewMsMax', options?.skewMsMax, number),
    };
    this.#native = guard(() => new native.Lab(checked));
  }

  /** The seed that all of it follows from. */
  get seed(): number {
    return guard(() => this.#native.seed());
  }

  /** The nodes, by their index. */
  get nodes(): number[] {
    return Array.from({ length: guard(() => this.#native.nodeCount()) }, (_, node) => node);
  }

  /** How many milliseconds of virtual time have passed. */
  get elapsedMs(): number {
    return guard(() => this.#native.elapsedMs());
  }

  /** What happened, in order; the last 1,000 lines. */
  get trace(): string[] {
    return guard(() => this.#native.trace());
  }

  /** The id of a node: 64 hex digits. */
  nodeId(node: number): string {
    return guard(() => this.#native.nodeId(whole('nodeId: node', node)));
  }

  /** Whether a node runs. */
  isUp(node: number): boolean {
    return guard(() => this.#native.isUp(whole('isUp: node', node)));
  }

  /** A node's wall clock, µs since 1970 UTC. */
  timeMicros(node: number): number {
    return guard(() => this.#native.timeMicros(whole('timeMicros: node', node)));
  }

  /** What is durable at a node. */
  offsets(node: number): Offsets {
    return Offsets.trusted(guard(() => this.#native.offsets(whole('offsets: node', node))));
  }

  /** A whole number from 0 to `end` − 1 by the seed, for a scenario to do as chance has it. */
  below(end: number): number {
    return guard(() => this.#native.below(whole('below: end', end)));
  }

  /**
   * A node publishes one event or several together. With the durability `process` nobody sees them
   * before some time passes, and a power cut before that takes them back.
   * @throws ClosedError: the node does not run. InvalidArgumentError, LimitExceededError.
   */
  publish(
    node: number,
    events: NewEvent | readonly NewEvent[],
    options?: { readonly durability?: 'power' | 'process' | undefined },
  ): Published {
    outsideOfCode('lab.publish');
    checkOptions('publish', options, ['durability']);
    const { durability } = given('publish', 'durability', options?.durability, text);
    const list = Array.isArray(events) ? (events as readonly NewEvent[]) : [events as NewEvent];
    const at = whole('publish: node', node);
    const published = withEncoded(list, (bytes) =>
      guard(() => this.#native.publish(at, bytes, durability)),
    );
    return new Published(published);
  }

  /**
   * The events that a node holds durably and the query selects, in key order.
   * @throws ClosedError: the node does not run. QueryInvalidError.
   */
  query<P = Payload>(node: number, query: string): readonly Event<P>[] {
    const checked = text('query', query);
    const at = whole('query: node', node);
    return EventBatch.from<P>(guard(() => this.#native.query(at, checked), checked)).events;
  }

  /**
   * Parts the network: nodes of one group reach each other and no others. Nodes that are in none
   * are one more group.
   * @throws InvalidArgumentError: there is no such node, or it is in two groups.
   */
  cut(...groups: (readonly number[])[]): void {
    guard(() => this.#native.cut(groups.map((group) => [...group])));
  }

  /** All nodes reach each other again. */
  heal(): void {
    guard(() => this.#native.heal());
  }

  /** A node's process ends without warning: what it has in memory is lost. */
  crash(node: number): void {
    guard(() => this.#native.crash(whole('crash: node', node)));
  }

  /** A node's power is cut: as {@link Lab.crash}, and what was not durable is lost, too. */
  cutPower(node: number): void {
    guard(() => this.#native.cutPower(whole('cutPower: node', node)));
  }

  /** A node runs again, if it does not. */
  start(node: number): void {
    guard(() => this.#native.start(whole('start: node', node)));
  }

  /**
   * Lets so much virtual time pass. What nodes reach each other with is delivered meanwhile, in
   * pieces and in an order that chance decides; what was published becomes durable; and fish that
   * were asked for work.
   * @throws UserCodeError: one of them fails.
   */
  advance(milliseconds: number): void {
    this.#work(() => this.#native.beginAdvance(number('advance', milliseconds)));
  }

  /**
   * Lets time pass until nodes that reach each other hold the same.
   * @throws UserCodeError: a fish fails.
   */
  settle(): void {
    this.#work(() => this.#native.beginSettle());
  }

  /**
   * Heals the network, starts all nodes and settles.
   * @throws UserCodeError: a fish fails.
   */
  calm(): void {
    this.#work(() => this.#native.beginCalm());
  }

  /**
   * So many times (default 10): cuts, heals, crashes or starts something, or time passes. One node
   * at least goes on running.
   * @throws UserCodeError: a fish fails.
   */
  chaos(steps?: number): void {
    const { chaos } = given('chaos', 'chaos', steps, whole);
    this.#work(() => this.#native.beginChaos(chaos));
  }

  /**
   * The state of a fish at a node, of all that is durable there, after the judge saw it.
   * @throws UserCodeError: code of the fish failed, or the state is wrong: `reason` is `step`,
   * `codec` or `is_reset` then, and the message says what does this. ConflictError: another fish of
   * this id is at work there. ClosedError: the node does not run.
   */
  state(node: number, fish: BuiltInLike): { value: Payload; skipped: number };
  state<S, P>(node: number, fish: FishLike<S, P>): S;
  state<S, P>(node: number, fish: FishLike<S, P> | BuiltInLike): unknown {
    const at = whole('state: node', node);
    this.#work(() => this.#native.beginState(at, described(fish)), fish);
    const { bytes } = guard(() => this.#native.shown());
    return 'fold' in fish ? value(bytes) : (decoded(fish, bytes) as S);
  }

  /**
   * Runs `effect` on the state of a fish at a node, and publishes there what it returns: as
   * {@link Node.run} does, but that it cannot be asynchronous. Undefined when that is nothing. What
   * the effect throws is thrown here, and nothing is published.
   * @throws as {@link Lab.state} and {@link Lab.publish}.
   */
  run<S, P>(
    node: number,
    fish: FishLike<S, P>,
    effect: (state: S) => Wanted,
  ): Published | undefined {
    const given = atOnce('the effect', effect(this.state(node, fish)));
    if (given === undefined || given === null) return undefined;
    const events = Array.isArray(given) ? (given as readonly NewEvent[]) : [given as NewEvent];
    return events.length === 0 ? undefined : this.publish(node, events);
  }

  /**
   * Asks each node that runs for the states of fish, and the judge more thoroughly: the same events
   * again, in other pieces, with the state saved and loaded between, and from the last reset on.
   * Nodes that hold the same events must show the same.
   * @throws as {@link Lab.state}.
   */
  check(...fish: (AnyFish | BuiltInLike)[]): void {
    for (const each of fish) this.#work(() => this.#native.beginCheck(described(each)), each);
  }

  /** Begins a task, and does its jobs. */
  #work(begin: () => number | null | void, fish?: AnyFish | BuiltInLike): void {
    outsideOfCode('the lab');
    let thrown: Failed | undefined;
    try {
      const declared = guard(begin);
      if (typeof declared === 'number' && fish !== undefined && !('fold' in fish)) {
        this.#fish.set(declared, fish);
      }
      let answer: NativeLabAnswer | undefined;
      for (;;) {
        const given = answer;
        const job = guard(() => this.#native.nextJob(given));
        if (job === null) return;
        const place = `${job.fish}:${job.owner}`;
        let worker = this.#workers.get(place);
        if (worker === undefined || job.what === 'load') {
          worker = new Worker(this.#fish.get(job.fish) as AnyFish);
          this.#workers.set(place, worker);
        }
        try {
          if (job.what === 'load') answer = worker.load(job.state);
          else if (job.events !== undefined) answer = worker.apply(EventBatch.from(job.events));
          else answer = worker.save();
        } catch (error) {
          if (!(error instanceof Failed)) throw error;
          thrown = error;
          answer = { failed: error.name, message: messageOf(error.cause) };
          if (error.index !== undefined) answer.index = error.index;
        }
      }
    } catch (error) {
      if (error instanceof UserCodeError && thrown !== undefined) error.cause = thrown.cause;
      throw error;
    }
  }
}

/** One of the states that the code of a fish works on. */
class Worker {
  readonly #fish: AnyFish;
  #state: unknown;

  constructor(fish: AnyFish) {
    this.#fish = fish;
  }

  load(bytes: Buffer | undefined | null): NativeLabAnswer {
    if (bytes === undefined || bytes === null) {
      this.#state = attempt('initial', undefined, () => initialOf(this.#fish));
    } else {
      this.#state = attempt('decode', undefined, () => decoded(this.#fish, bytes) as unknown);
    }
    return {};
  }

  apply(batch: EventBatch<Payload>): NativeLabAnswer {
    const fish = this.#fish;
    // Not a default: no event was a reset.
    let lastReset = -1;
    batch.events.forEach((event, index) => {
      if (attempt('is_reset', index, () => isReset(fish, event))) {
        this.#state = attempt('initial', index, () => initialOf(fish));
        lastReset = index;
      }
      const step = (): unknown => stateFrom('step', fish.step(this.#state, event) as unknown);
      this.#state = attempt('step', index, step);
    });
    return { lastReset };
  }

  save(): NativeLabAnswer {
    const saved = attempt('encode', undefined, () => encoded(this.#fish, this.#state));
    return { saved: Buffer.from(saved.buffer, saved.byteOffset, saved.length) };
  }
}

function attempt<T>(name: string, index: number | undefined, code: () => T): T {
  try {
    return asCode('a fish', code);
  } catch (error) {
    throw new Failed(name, index, error);
  }
}

/**
 * Whether the answer of a query (as text) or of a fish will never be taken back, and why. `events`
 * of a fish that has a `growOnly` are for {@link checkGrowOnly}; without them its declaration is
 * not believed.
 * @throws QueryInvalidError, and as {@link checkGrowOnly}.
 */
export function lint<S, P>(
  of: string | BuiltInLike | FishLike<S, P>,
  events?: readonly Event<P>[],
): Lint {
  if (typeof of === 'string') return guard(() => native.lintQuery(text('lint', of)), of) as Lint;
  const isChecked = !('fold' in of) && of.growOnly !== undefined && events !== undefined;
  if (isChecked) checkGrowOnly(of, events);
  return guard(() => native.lintFish(described(of), isChecked)) as Lint;
}

/**
 * Checks on up to 64 events that the states of a fish only grow: that its `growOnly` is a least
 * upper bound, and `step` one of what an event alone makes. Then the fold of any events in any
 * order, some of them twice, is the merge of the folds of its parts. States are compared as their
 * codec writes them. Examples prove nothing; they find what is wrong.
 * @throws InvalidArgumentError: the fish has no `growOnly`; or with the reason `grow_only`, and the
 * message names the law that is broken.
 */
export function checkGrowOnly<S, P>(
  fish: FishLike<S, P>,
  events: readonly Event<P>[],
): void {
  const merge = fish.growOnly;
  if (merge === undefined) {
    throw refuse(`the fish ${fish.id} has no growOnly: it is not declared to grow only`);
  }
  const check = guard(() => new native.LawCheck(events.length));
  let answers: Buffer[] = [];
  for (;;) {
    const given = answers;
    const questions = guard(() => check.nextQuestions(given));
    if (questions.length === 0) return;
    answers = questions.map(({ state, event, other }) => {
      let answer: S;
      if (state === undefined) answer = fish.initial();
      else if (event === undefined) answer = merge(decoded(fish, state), decoded(fish, other));
      else answer = stepped(fish, decoded(fish, state), events[event] as Event<P>);
      return Buffer.from(encoded(fish, answer));
    });
  }
}

function initialOf(fish: AnyFish): unknown {
  return stateFrom('initial', fish.initial() as unknown);
}

function isReset<P>(fish: FishLike<any, P>, event: Event<P>): boolean {
  return fish.isReset !== undefined && judged('isReset', fish.isReset(event));
}

function stepped<S, P>(fish: FishLike<S, P>, state: S, event: Event<P>): S {
  return fish.step(isReset(fish, event) ? fish.initial() : state, event);
}

/**
 * The seeds to run with: 1 to `count` (default 100), or the one that `MILLPOND_SEED` says.
 * @throws InvalidArgumentError: the variable holds no seed, or one that is no exact number in
 * JavaScript.
 */
export function seeds(count?: number): number[] {
  const { seeds: checked } = given('seeds', 'seeds', count, whole);
  return guard(() => native.labSeeds(checked));
}

/** A scenario failed: the message says how to run it again, and `cause` is what it threw. */
export class ScenarioError extends Error {
  /** The seed that it failed with. */
  readonly seed: number;

  /** @internal */
  constructor(seed: number, cause: unknown) {
    super(guard(() => native.replayHint(seed)), { cause });
    this.name = 'ScenarioError';
    this.seed = seed;
  }
}

/**
 * Calls `scenario` with each of the seeds, and stops at the first one with which it fails.
 * @throws ScenarioError: it failed with that seed.
 */
export async function explore(
  scenario: (seed: number) => unknown,
  count?: number,
): Promise<void> {
  for (const seed of seeds(count)) await replayable(seed, () => scenario(seed));
}

/** How {@link testWithLab} tests. */
export interface LabTestOptions extends Omit<LabOptions, 'seed'> {
  /** With how many seeds; 100. */
  readonly seeds?: number | undefined;
}

/**
 * Declares a test for each seed, each with a lab of its own. `test` is that of `node:test`, or
 * `test` or `it` of vitest, jest or mocha: anything that takes a name and a function.
 */
export function testWithLab(
  test: (name: string, body: () => unknown) => unknown,
  name: string,
  options: LabTestOptions,
  body: (lab: Lab) => unknown,
): void {
  const { seeds: count, ...rest } = options;
  for (const seed of seeds(count)) {
    test(`${name} (seed ${seed})`, () =>
      replayable(seed, () => body(new Lab({ ...rest, seed }))));
  }
}

/**
 * Says of what `work` throws how to replay the seed. In an error of its own: what was thrown may
 * be shown by a text that was made with it, or be no error at all.
 */
async function replayable(seed: number, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new ScenarioError(seed, error);
  }
}

function described(fish: AnyFish | BuiltInLike): NativeLabFish {
  const query = text('fish: query', fish.query);
  if ('fold' in fish) return { query, fold: JSON.stringify(fish.fold) };
  const native: NativeLabFish = {
    query,
    id: text('fish: id', fish.id),
    version: whole('fish: version', fish.version),
  };
  if (fish.codec !== undefined) native.codec = text('fish: codec', fish.codec.name);
  return native;
}

function encoded(fish: AnyFish, state: unknown): Uint8Array {
  if (fish.codec !== undefined) {
    const bytes: unknown = atOnce('the codec', fish.codec.encode(state));
    if (bytes instanceof Uint8Array) return bytes;
    throw refuse(`the codec must encode to a Uint8Array, not ${describe(bytes)}`);
  }
  const writer = new Writer();
  writer.payload(state, 0);
  return writer.written();
}

// What a state is, its fish alone knows.
function decoded(fish: AnyFish, bytes: Buffer | undefined): any {
  if (bytes === undefined) throw refuse('a state is missing');
  // A copy: a codec may keep what it is given.
  if (fish.codec === undefined) return value(bytes);
  return stateFrom('the codec', fish.codec.decode(new Uint8Array(bytes)));
}

/** The value of bytes that were encoded as a payload is. */
function value(bytes: Buffer): Payload {
  return decodeValue(bytes);
}
