/** Several fish, one for each event of a query. */
import { EventBatch } from './batch';
import { causal, causalEnd, openingLimits } from './causal';
import { asCode, atOnce, messageOf } from './code';
import { InternalError, UserCodeError } from './error-kinds';
import type { Event } from './event';
import { causedBy, guard, refuse } from './failures';
import { CodeFish, Fish } from './fish';
import {
  native,
  type NativeBatch,
  type NativeFish,
  type NativeGroupAnswer,
  type NativeGroupStep,
} from './native';
import { stateOf, type ObserveOptions, type Place, type State } from './observer';
import { bridge, operate, release } from './operations';
import { describe, type CallOptions } from './options';
import { Pulled, type Given, type PullSource } from './pulled';
import { explained, work, workOf, type Work } from './work';

/** The states of several fish. */
export interface States<S> {
  /** By id of the fish, rising. */
  readonly states: ReadonlyMap<string, State<S>>;
  /** From 1 on, rising. */
  readonly number: number;
}

/** @internal What makes a fish of a seed. */
export type MakeFish<S, P> = (seed: Event<P>) => Fish<S> | null | undefined;

/**
 * The states of one fish for each seed, all together: first once all seeds are looked at and each
 * fish has a state, then at each change of one. Made by {@link Node.observeAll}.
 *
 * An error of one fish ends it.
 */
export class AllObserver<S> extends Pulled<States<S>> {
  /** @internal */
  constructor(group: Group<S, never>, options: CallOptions) {
    super(
      group.source('allObserver', (step) => ({ value: group.states(step) })),
      options,
    );
  }
}

/**
 * The states of the fish that the oldest seed gives; of another one once an older seed has arrived.
 * While that seed makes no fish there is none to show, and it waits. Made by
 * {@link Node.observeOne}.
 */
export class OneObserver<S> extends Pulled<State<S>> {
  /** @internal */
  constructor(group: Group<S, never>, options: CallOptions) {
    super(
      group.source('oneObserver', (step) => {
        const [value] = group.states(step).states.values();
        return value === undefined ? undefined : { value };
      }),
      options,
    );
  }
}

/** @internal The fish of some seeds. */
export class Group<S, P> {
  readonly #place: Place;
  readonly #make: MakeFish<S, P>;
  readonly #opened: Promise<bigint>;
  readonly #opensUntil: number | undefined;
  /** By id in its one form. */
  readonly #fish = new Map<string, Fish<S>>();
  /** What works them, by the same id; of those of others undefined until it is known. */
  readonly #works = new Map<string, Work | undefined>();
  #answer: NativeGroupAnswer | undefined;
  /** What making a fish raised. */
  #failed: { readonly thrown: unknown } | undefined;

  /** The fish that `make` makes of the events of `seeds`; with `onlyFirst` of the first one. */
  constructor(
    place: Place,
    seeds: string,
    make: MakeFish<S, P>,
    call: string,
    onlyFirst: boolean,
    options: ObserveOptions,
  ) {
    this.#place = place;
    this.#make = make;
    const said = causal(call, options);
    this.#opensUntil = causalEnd(said, options.timeoutMs);
    const opened = operate(
      call,
      openingLimits(said, options),
      (ticket, limit) => bridge.observeGroup(ticket, place.handle, seeds, onlyFirst, said, limit),
      seeds,
    );
    this.#opened = opened.then(({ handle }) => handle as bigint);
  }

  /**
   * How its states are asked for; `use` makes something of those that a step has, if there is
   * anything to show.
   */
  source<T>(call: string, use: (step: NativeGroupStep) => Given<T> | undefined): PullSource<T> {
    return {
      call,
      opened: this.#opened,
      opensUntil: this.#opensUntil,
      next: async (handle, left) => {
        for (;;) {
          const step = await this.#next(call, handle, left());
          if (step.kind === 'ended') return undefined;
          if (step.kind === 'folds') this.#begin(step);
          if (step.kind === 'seeds') this.#answer = this.#made(step.batch as NativeBatch);
          if (step.kind !== 'states') continue;
          this.#findWorks();
          const given = use(step);
          if (given !== undefined) return given;
        }
      },
      close: release,
    };
  }

  /** The states that a step has. */
  states(step: NativeGroupStep): States<S> {
    const states = new Map<string, State<S>>();
    for (const { fish, state } of step.states ?? []) {
      states.set(fish, stateOf(this.#named(fish), state));
    }
    return { states, number: step.number as number };
  }

  async #next(call: string, group: bigint, limits: CallOptions): Promise<NativeGroupStep> {
    try {
      const { groupStep } = await operate(call, limits, (ticket, limit) => {
        // Once handed over it was taken, also when the call ends early.
        const answer = this.#answer;
        this.#answer = undefined;
        return bridge.groupNext(ticket, group, answer, limit);
      });
      return groupStep as NativeGroupStep;
    } catch (error) {
      const { thrown } = this.#failed ?? {};
      const isOurs = error instanceof UserCodeError && error.reason === 'make_fish';
      if (isOurs && this.#failed !== undefined) throw causedBy(error, thrown);
      throw explained(error, ...this.#works.values());
    }
  }

  #begin(step: NativeGroupStep): void {
    for (const { fish, fold } of step.folds ?? []) {
      const made = this.#named(fish);
      if (made instanceof CodeFish) this.#works.set(fish, work(this.#place.id, fish, fold, made));
    }
  }

  /** Folds that another observer of this environment began. */
  #findWorks(): void {
    for (const [fish, known] of this.#works) {
      if (known === undefined) this.#works.set(fish, workOf(this.#place.id, fish));
    }
  }

  #made(batch: NativeBatch): NativeGroupAnswer {
    const { events } = EventBatch.from<P>(batch);
    const made: (NativeFish | null)[] = [];
    for (const event of events) {
      try {
        made.push(this.#makeOf(event));
      } catch (thrown) {
        this.#failed = { thrown };
        return { index: made.length, message: messageOf(thrown) };
      }
    }
    return { made };
  }

  #makeOf(event: Event<P>): NativeFish | null {
    const fish: unknown = atOnce(
      'makeFish',
      asCode('makeFish', () => this.#make(event)),
    );
    if (fish === null || fish === undefined) return null;
    if (!(fish instanceof Fish)) {
      throw refuse(`makeFish must return a fish or null, not ${describe(fish)}`);
    }
    const spec = fish.spec();
    const id = guard(() => native.fishId(spec));
    this.#fish.set(id, fish as Fish<S>);
    if (fish instanceof CodeFish && !this.#works.has(id)) this.#works.set(id, undefined);
    return spec;
  }

  #named(id: string): Fish<S> {
    const fish = this.#fish.get(id);
    if (fish === undefined) throw new InternalError(`no fish of the id ${id} was made`);
    return fish;
  }
}
