/** A swarm in memory: what befalls its nodes, and the work of their fish. */
import { EventBatch } from './batch';
import { causal } from './causal';
import { outsideOfCode } from './code';
import { UserCodeError } from './error-kinds';
import type { Event } from './event';
import { causedBy, guard, refuse } from './failures';
import { fishOf, type CodeFish, type Fish } from './fish';
import { atMoment } from './held-clock';
import { LabLosses } from './lab-desk';
import { LabNode, type LabHalf } from './lab-node';
import { native, type NativeAnswer, type NativeLab, type NativeLabBackup } from './native';
import { stateOf, type ObserveOptions, type State } from './observer';
import { checkOptions, describe, given, number, text, whole } from './options';
import type { Payload } from './payload';
import { currentTrial } from './trial';
import { FishCode } from './work';

/** Where virtual wall clocks begin: 2026-01-01, ms since 1970. */
const START_MS = 1_767_225_600_000;

/** How a lab is made; what is left out has its default. */
export interface LabOptions {
  /** Number of nodes, 1 to 64; 3. All of them run and reach each other at first. */
  readonly nodes?: number | undefined;
  /**
   * All chance follows from it. At first that of the run of {@link testWithLab} or {@link explore}
   * in which the lab is made; outside of these what the environment says in `MILLPOND_SEED`, and
   * then also `MILLPOND_WITHOUT` holds; or 1.
   */
  readonly seed?: number | undefined;
  /** The application that publishes. */
  readonly app?: string | undefined;
  /** The wall clocks of the nodes are wrong by at most so many milliseconds; 300,000. */
  readonly skewMsMax?: number | undefined;
  /**
   * One in so many publishes, also of effects, and of deeds of accounts and claims is the last
   * thing that its node does: it rejects with {@link ClosedError}, the node does not run, and the
   * events are stored or not. 0: none is.
   */
  readonly faults?: number | undefined;
  /**
   * Numbers of {@link Lab.befell} that do not befall, though they are drawn: all else is as without
   * this. Any number of them; `MILLPOND_WITHOUT` names at most 1,048,576.
   */
  readonly without?: readonly number[] | undefined;
}

/** Something that befell a node or the network by chance. */
export interface LabBefall {
  /** Its own, with this seed. */
  readonly number: number;
  /** What it was, for people. */
  readonly what: string;
}

/** A fish of any state. */
// What a fish makes of a state goes back into it, so only `any` stands for all of them.
type AnyFish = Fish<any>;

/**
 * A swarm in memory: what befalls its nodes. What they do is said to {@link Lab.node}. Nodes are
 * named by their index, and the first is 0. Equal options and equal calls give equal results.
 */
export class Lab {
  readonly #native: NativeLab;
  readonly #half: LabHalf;
  readonly #losses: LabLosses;
  readonly #fish = new Map<number, AnyFish>();
  readonly #codes = new Map<string, Code>();
  /** Counts the beginnings of states: each is at another moment. */
  #moments = 0;
  /** Who waits for time to pass. */
  #waiting: (() => void)[] = [];

  /** @throws InvalidArgumentError, LimitExceededError: an option is refused. */
  constructor(options?: LabOptions) {
    checkOptions('Lab', options, ['nodes', 'seed', 'app', 'skewMsMax', 'faults', 'without']);
    const trial = currentTrial();
    const leftOut = [...(options?.without ?? []), ...(trial?.without ?? [])];
    const checked = {
      without: leftOut.map((number) => whole('Lab: without', number)),
      ...given('Lab', 'nodes', options?.nodes, whole),
      ...given('Lab', 'seed', options?.seed ?? trial?.seed, whole),
      ...given('Lab', 'app', options?.app, text),
      ...given('Lab', 'skewMsMax', options?.skewMsMax, number),
      ...given('Lab', 'faults', options?.faults, whole),
    };
    this.#native = guard(() => new native.Lab(checked));
    trial?.take(this.#native);
    const state: LabHalf['state'] = (node, fish, options) => this.#state(node, fish, options);
    this.#losses = new LabLosses(this.#native);
    const losses = this.#losses;
    const passed = (): Promise<void> => new Promise((resolve) => this.#waiting.push(resolve));
    const turns = new Map<string, Promise<void>>();
    const deed: LabHalf['deed'] = (node, work) => this.#deed(node, work);
    this.#half = { lab: this, native: this.#native, state, turns, losses, passed, deed };
  }

  /**
   * The node of this index; the first is 0.
   * @throws InvalidArgumentError: there is none.
   */
  node(index: number): LabNode {
    return new LabNode(this.#half, whole('node: index', index));
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

  /**
   * What befell by chance, in order; the first 10,000. That is: what {@link Lab.chaos} does but
   * letting time pass, and deaths in a publish or a deed.
   */
  get befell(): readonly LabBefall[] {
    return guard(() => this.#native.befell());
  }

  /**
   * Whether a node runs.
   * @throws InvalidArgumentError: there is no such node.
   */
  isUp(node: number): boolean {
    return guard(() => this.#native.isUp(whole('isUp: node', node)));
  }

  /**
   * A node's wall clock, µs since 1970 UTC.
   * @throws InvalidArgumentError: there is no such node.
   */
  timeMicros(node: number): number {
    return guard(() => this.#native.timeMicros(whole('timeMicros: node', node)));
  }

  /**
   * A whole number from 0 to `end` − 1 by the seed, for a scenario to do as chance has it.
   * @throws InvalidArgumentError: `end` is no whole number from 1 to 2^53 − 1.
   */
  below(end: number): number {
    return guard(() => this.#native.below(whole('below: end', end)));
  }

  /**
   * Parts the network, in the place of what parted it before: nodes of one group reach each other
   * and no others. Nodes that are in none are one more group.
   * @throws InvalidArgumentError: there is no such node, or it is in two groups.
   */
  cut(...groups: (readonly number[])[]): void {
    guard(() => this.#native.cut(groups.map((group) => [...group])));
  }

  /** All nodes reach each other again. */
  heal(): void {
    guard(() => this.#native.heal());
  }

  /**
   * A node's process ends without warning: what it has in memory is lost.
   * @throws InvalidArgumentError: there is no such node.
   */
  crash(node: number): void {
    guard(() => this.#native.crash(whole('crash: node', node)));
    this.#tell();
  }

  /**
   * A node's power is cut: as {@link Lab.crash}, and what was not durable is lost, too.
   * @throws InvalidArgumentError: there is no such node.
   */
  cutPower(node: number): void {
    guard(() => this.#native.cutPower(whole('cutPower: node', node)));
    this.#tell();
  }

  /**
   * A node runs again, if it does not.
   * @throws InvalidArgumentError: there is no such node.
   */
  start(node: number): void {
    guard(() => this.#native.start(whole('start: node', node)));
  }

  /**
   * Copies what is durable at a node, whether it runs or not.
   * @throws InvalidArgumentError: there is no such node.
   */
  backUp(node: number): LabBackup {
    return new LabBackup(guard(() => this.#native.backUp(whole('backUp: node', node))));
  }

  /**
   * Ends a node's process, if it runs, and puts the copy in the place of its disk. After
   * {@link Lab.start} it goes on in another stream, and what the former one held of accounts and
   * claims is frozen until it is recovered.
   * @throws InvalidArgumentError: the copy is of another node, or was made in another lab.
   */
  restore(node: number, backup: LabBackup): void {
    const copy = LabBackup.nativeOf('restore: backup', backup);
    guard(() => this.#native.restore(whole('restore: node', node), copy));
    this.#tell();
  }

  /**
   * Lets so much virtual time pass. What nodes reach each other with is delivered meanwhile, in
   * pieces and in an order that chance decides; what was published becomes durable; requests are
   * answered; and fish that were asked for work. Then those are told that have lost a claim.
   * @throws UserCodeError: one of them fails.
   */
  advance(milliseconds: number): void {
    this.#pass(() => this.#native.beginAdvance(number('advance', milliseconds)));
  }

  /**
   * Lets time pass until nodes that reach each other hold the same.
   * @throws UserCodeError: a fish fails.
   */
  settle(): void {
    this.#pass(() => this.#native.beginSettle());
  }

  /**
   * Heals the network, starts all nodes and settles.
   * @throws UserCodeError: a fish fails.
   */
  calm(): void {
    this.#pass(() => this.#native.beginCalm());
  }

  /**
   * So many times (default 10): cuts, heals, crashes or starts something, or time passes. One node
   * at least goes on running.
   * @throws UserCodeError: a fish fails.
   */
  chaos(steps?: number): void {
    const { chaos } = given('chaos', 'chaos', steps, whole);
    this.#pass(() => this.#native.beginChaos(chaos));
  }

  /**
   * Asks each node that runs for the states of fish, and the judge more thoroughly: the same events
   * again, in other pieces, with the state saved and loaded between, and from the last reset on.
   * Nodes that hold the same events must show the same. Accounts and claims are judged, too, also
   * without any fish: InternalError with the reason `promise` is a bug of millpond.
   * @throws as {@link LabNode.state}. ClosedError: no node runs.
   */
  check(...fish: AnyFish[]): void {
    outsideOfCode('the lab');
    // A check of a fish asks for that, too.
    if (fish.length === 0) guard(() => this.#native.checkScarce());
    for (const each of fish) {
      const spec = fishOf('check: fish', each).spec();
      this.#work(() => this.#native.beginCheck(spec), each);
    }
  }

  /**
   * The events of a fish that any node holds durably, in the order of keys; `isLocal` is what the
   * first node published. For {@link lint} and {@link checkGrowOnly}.
   */
  events<P = Payload>(fish: Fish<unknown>): readonly Event<P>[] {
    outsideOfCode('the lab');
    const { query } = fishOf('events: fish', fish);
    return EventBatch.from<P>(guard(() => this.#native.events(query), query)).events;
  }

  #state<S>(node: number, fish: Fish<S>, options: ObserveOptions | undefined): State<S> {
    const said = causal('state', options);
    this.#work(() => this.#native.beginState(node, fish.spec(), said), fish);
    return stateOf(fish, guard(() => this.#native.shown()));
  }

  /** Does a task in which time passes; also where a fish fails in it, some has. */
  #pass(begin: () => void): void {
    outsideOfCode('the lab');
    try {
      this.#work(begin);
    } finally {
      this.#tell();
    }
  }

  /** Does what a node may die of. */
  #deed<T>(node: number, work: () => T): T {
    const wasUp = guard(() => this.#native.isUp(node));
    try {
      return guard(work);
    } finally {
      if (wasUp && !guard(() => this.#native.isUp(node))) this.#tell();
    }
  }

  /** Tells those that wait what has come about. */
  #tell(): void {
    this.#losses.tell();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Begins a task, and does its jobs. */
  #work(begin: () => number | null | void, fish?: AnyFish): void {
    outsideOfCode('the lab');
    let code: FishCode<unknown, unknown> | undefined;
    try {
      const declared = guard(begin, fish?.query);
      if (typeof declared === 'number' && fish !== undefined) this.#fish.set(declared, fish);
      let answer: NativeAnswer | undefined;
      for (;;) {
        const given = answer;
        const own = guard(() => this.#native.nextJob(given));
        if (own === null) return;
        const place = `${own.fish}:${own.owner}`;
        let held = this.#codes.get(place);
        if (held === undefined || own.job.kind === 'load') {
          const worked = this.#fish.get(own.fish) as CodeFish<unknown, unknown>;
          held = { code: new FishCode(worked), moment: this.#moments++ };
          this.#codes.set(place, held);
        }
        ({ code } = held);
        answer = atMoment(held.moment, START_MS + this.elapsedMs, () =>
          (code as FishCode<unknown, unknown>).begin(own.job, Infinity),
        );
      }
    } catch (error) {
      guard(() => this.#native.abandon());
      const failed = code?.failed;
      if (error instanceof UserCodeError && failed !== undefined) causedBy(error, failed.thrown);
      throw error;
    }
  }
}

/** What was on the disk of a node of a {@link Lab}; made by {@link Lab.backUp}. */
export class LabBackup {
  readonly #native: NativeLabBackup;

  /** @internal */
  constructor(own: NativeLabBackup) {
    this.#native = own;
  }

  /** @internal The native half of an argument. */
  static nativeOf(name: string, value: unknown): NativeLabBackup {
    if (value instanceof LabBackup) return value.#native;
    throw refuse(`${name} must be a LabBackup, not ${describe(value)}`);
  }
}

/** The code of a fish with one of its states, and the moment at which it thinks that it runs. */
interface Code {
  readonly code: FishCode<unknown, unknown>;
  readonly moment: number;
}
