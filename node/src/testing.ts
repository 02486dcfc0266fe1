/**
 * The testing kit: a swarm in memory, with virtual time, to run your own fish and effects under.
 *
 * Everything that happens by chance follows from a seed: partitions, crashes, the order in which
 * events arrive, in which pieces a fold takes them, and which of its states are remembered. Beside
 * each fold stands a judge, so that a fish which is no fold of its events is found and told why. A
 * seed that fails fails again: set `MILLPOND_SEED`. Begin with {@link Lab} or {@link testWithLab}.
 *
 * @packageDocumentation
 */
import { asCode, stateFrom } from './code';
import type { Event } from './event';
import { guard, refuse } from './failures';
import { CodeFish, fishOf, type Fish, type Monotonicity } from './fish';
import { Lab, type LabOptions } from './lab';
import { native, type NativeLawCheck } from './native';
import { userCode } from './observer';
import { checkOptions, given, text, truth, whole } from './options';
import { tried, type Thrown } from './trial';

export { Lab, LabBackup, type LabBefall, type LabOptions } from './lab';
export type { LabNode, LabQuery } from './lab-node';
export type { LabObserver } from './lab-observer';

/**
 * Whether the answer of a query (as text) or of a fish will never be taken back, and why. A fish
 * that has a `growOnly` is checked on `events` with {@link checkGrowOnly} first; without them its
 * declaration is not believed.
 * @throws QueryInvalidError, and as {@link checkGrowOnly}.
 */
export function lint<S, P>(of: string | Fish<S>, events?: readonly Event<P>[]): Monotonicity {
  if (typeof of === 'string') {
    return guard(() => native.lintQuery(text('lint', of)), of) as Monotonicity;
  }
  const fish = fishOf('lint', of);
  const isChecked = fish instanceof CodeFish && fish.growOnly !== undefined && events !== undefined;
  const checked = isChecked ? lawOf(fish as CodeFish<S, P>, events) : undefined;
  return guard(() => native.lintFish(fish.spec(), checked), fish.query) as Monotonicity;
}

/**
 * Checks on up to 64 events that the states of a fish only grow: that its `growOnly` is a least
 * upper bound, and `step` one of what an event alone makes. Then the fold of any events in any
 * order, some of them twice, is the merge of the folds of its parts. States are compared as their
 * codec writes them. Examples prove nothing; they find what is wrong.
 * @throws InvalidArgumentError with the reason `grow_only`: the fish has no `growOnly`, or the
 * message names the law that is broken; with the reason `no_examples`: there are no two events that
 * make different states. UserCodeError: code of the fish failed.
 */
export function checkGrowOnly<S, P>(fish: Fish<S>, events: readonly Event<P>[]): void {
  const checked = fishOf('checkGrowOnly: fish', fish);
  if (!(checked instanceof CodeFish)) {
    throw refuse(`the fish ${checked.id} has no code: whether it grows is known of it`);
  }
  lawOf(checked as CodeFish<S, P>, events);
}

function lawOf<S, P>(fish: CodeFish<S, P>, events: readonly Event<P>[]): NativeLawCheck {
  const check = guard(() => new native.LawCheck(fish.spec(), events.length), fish.query);
  const merge = fish.growOnly as (left: S, right: S) => S;
  let answers: Buffer[] = [];
  for (;;) {
    const given = answers;
    const questions = guard(() => check.nextQuestions(given));
    if (questions.length === 0) return check;
    const decoded = (bytes: Buffer | undefined): S =>
      own(fish, 'decode', () => fish.decode(bytes as Buffer));
    answers = questions.map(({ state, event, other }) => {
      let answer: S;
      if (state === undefined) {
        answer = own(fish, 'initial', () => stateFrom('initial', fish.initial()));
      } else if (event === undefined) {
        const [left, right] = [decoded(state), decoded(other)];
        answer = own(fish, 'grow_only', () => stateFrom('growOnly', merge(left, right)));
      } else {
        const before = decoded(state);
        const next = events[event] as Event<P>;
        answer = own(fish, 'step', () => stateFrom('step', fish.step(before, next)));
      }
      return Buffer.from(own(fish, 'encode', () => fish.encode(answer)));
    });
  }
}

/** What code of a fish gives. */
function own<T>(fish: Fish<unknown>, name: CodeName, code: () => T): T {
  const what = `the fish ${JSON.stringify(fish.id)}`;
  try {
    return asCode(what, code);
  } catch (thrown) {
    throw userCode(name, `${name} of ${what}`, thrown);
  }
}

type CodeName = 'initial' | 'step' | 'encode' | 'decode' | 'grow_only';

/**
 * The seeds to run with: 1 to `count` (default 100), or the one that `MILLPOND_SEED` says.
 * @throws InvalidArgumentError: the variable holds no seed, or one that is no exact number in
 * JavaScript.
 */
export function seeds(count?: number): number[] {
  const { seeds: checked } = given('seeds', 'seeds', count, whole);
  return guard(() => native.labSeeds(checked));
}

/**
 * A scenario failed: the message says how to run it again, and what of all that befell it takes to
 * fail so; `cause` is what it threw.
 */
export class ScenarioError extends Error {
  /** The seed that it failed with. */
  readonly seed: number;

  /** @internal */
  constructor(seed: number, { thrown, smaller }: Thrown) {
    const hint = guard(() => native.replayHint(seed));
    super(smaller === null ? hint : `${hint}\n${smaller}`, { cause: thrown });
    this.name = 'ScenarioError';
    this.seed = seed;
  }
}

/** How {@link explore} looks for failures. */
export interface ExploreOptions {
  /**
   * Of a scenario that fails, find what it takes of all that befell: it is run again, up to 64
   * times, and part of that is left out; all runs of a seed end after 3.5 seconds, if none takes
   * longer than those before. Not with more than 64 labs in a run, or 10,000 befalls of one. True,
   * at first.
   */
  readonly shrink?: boolean | undefined;
}

/**
 * Calls `scenario` with each of the seeds, and stops at the first one with which it fails.
 * @throws ScenarioError: it failed with that seed.
 */
export async function explore(
  scenario: (seed: number) => unknown,
  count?: number,
  options?: ExploreOptions,
): Promise<void> {
  checkOptions('explore', options, ['shrink']);
  const { shrink } = given('explore', 'shrink', options?.shrink, truth);
  for (const seed of seeds(count)) await replayable(seed, shrink, () => scenario(seed));
}

/** How {@link testWithLab} tests. */
export interface LabTestOptions extends Omit<LabOptions, 'seed'>, ExploreOptions {
  /** With how many seeds; 100. */
  readonly seeds?: number | undefined;
}

/**
 * Declares a test for each seed, each with a lab of its own. `test` is that of `node:test`, or
 * `test` or `it` of vitest, jest or mocha: anything that takes a name and a function, such as
 * its `only` or `skip`, or a function of yours that says a timeout. What that gives the
 * function is given to `body` after the lab, such as the context of `node:test`.
 */
export function testWithLab(
  // What a runner gives is its own: a context, or nothing.
  test: (name: string, body: (...context: any[]) => unknown) => unknown,
  name: string,
  options: LabTestOptions,
  body: (lab: Lab, ...context: any[]) => unknown,
): void {
  const { seeds: count, shrink, ...rest } = options;
  const { shrink: isShrunk } = given('testWithLab', 'shrink', shrink, truth);
  for (const seed of seeds(count)) {
    test(`${name} (seed ${seed})`, (...context) =>
      replayable(seed, isShrunk, () => body(new Lab({ ...rest, seed }), ...context)),
    );
  }
}

/**
 * Says of what `work` throws how to replay the seed. In an error of its own: what was thrown may
 * be shown by a text that was made with it, or be no error at all.
 */
async function replayable(
  seed: number,
  shrink: boolean | undefined,
  work: () => unknown,
): Promise<void> {
  const failed = await tried(seed, shrink !== false, work);
  if (failed !== undefined) throw new ScenarioError(seed, failed);
}
