/** Runs of a scenario: what their labs leave out, and the smaller failure of one that fails. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { sep } from 'node:path';
import { performance } from 'node:perf_hooks';
import { isDeepStrictEqual, types } from 'node:util';
import { messageOf } from './code';
import { InternalError, UserCodeError } from './error-kinds';
import { guard } from './failures';
import { native, type NativeBefall, type NativeLab } from './native';

/** All runs of a scenario have ended by then, the first one too, in ms: runners give a test 5 s. */
const RUNS_MS_MAX = 3_500;
/** So many labs of a run are asked what befell them: with more no smaller failure is looked for. */
const LABS_MAX = 64;
/** A lab remembers so many befalls: with as many no smaller failure is looked for. */
const BEFALLS_MAX = 10_000;
/** Errors in errors are looked at so deep. */
const DEPTH_MAX = 8;
/** Taken here, because a test may hold the clocks. */
const [now, setTimer, clearTimer] = [
  performance.now.bind(performance),
  globalThis.setTimeout,
  globalThis.clearTimeout,
];

/** A run: the labs that are made in it leave this out, too, and have its seed if none is said. */
export class Trial {
  readonly seed: number;
  readonly without: readonly number[];
  readonly #labs: NativeLab[] = [];
  #labCount = 0;

  constructor(seed: number, without: readonly number[]) {
    this.seed = seed;
    this.without = without;
  }

  /** Number of the labs that were made in it. */
  get labCount(): number {
    return this.#labCount;
  }

  /** Remembers a lab of this run. */
  take(lab: NativeLab): void {
    this.#labCount += 1;
    if (this.#labs.length < LABS_MAX) this.#labs.push(lab);
  }

  /** What befell its labs; undefined where not all of that is known. */
  befell(): NativeBefall[] | undefined {
    if (this.#labCount > LABS_MAX) return undefined;
    const all = this.#labs.map((lab) => guard(() => lab.befell()));
    return all.some((befell) => befell.length >= BEFALLS_MAX) ? undefined : all.flat();
  }
}

const trials = new AsyncLocalStorage<Trial>();

/** The run that is under way, if there is one. */
export function currentTrial(): Trial | undefined {
  return trials.getStore();
}

/** A scenario failed: that it threw, as it may throw `undefined`. */
export interface Thrown {
  readonly thrown: unknown;
  /** What it takes of all that befell, for people. */
  readonly smaller: string | null;
}

/**
 * Runs `work`, and where it fails runs it again with less, unless `shrink` is false or the
 * environment says what to leave out. Gives nothing when it ends well.
 */
export async function tried(
  seed: number,
  shrink: boolean,
  work: () => unknown,
): Promise<Thrown | undefined> {
  const leftOut = guard(() => native.labWithout());
  const trial = new Trial(seed, leftOut ?? []);
  const began = now();
  const failed = await ended(trial, work);
  if (failed === undefined) return undefined;
  const { thrown } = failed;
  if (!shrink || leftOut !== null) return { thrown, smaller: null };
  try {
    return { thrown, smaller: await shrunk(trial, thrown, began, work) };
  } catch (error) {
    return { thrown, smaller: `no smaller failure was looked for any more: ${messageOf(error)}` };
  }
}

async function ended(trial: Trial, work: () => unknown): Promise<{ thrown: unknown } | undefined> {
  try {
    await trials.run(trial, work);
    return undefined;
  } catch (thrown) {
    return { thrown };
  }
}

async function shrunk(
  first: Trial,
  thrown: unknown,
  began: number,
  work: () => unknown,
): Promise<string | null> {
  const befell = first.befell();
  if (befell === undefined) return null;
  const shrink = guard(() => new native.LabShrink(befell));
  const kind = kindOf(thrown);
  const until = began + RUNS_MS_MAX;
  let longest = now() - began;
  let timer: NodeJS.Timeout | undefined;
  // With less a scenario may wait for what never comes.
  const tooLate = new Promise<'late'>((resolve) => {
    timer = setTimer(resolve, Math.max(0, until - now()), 'late');
  });
  try {
    // A run that takes no turn of the event loop cannot be given up.
    for (let start = now(); start + longest < until; start = now()) {
      const without = guard(() => shrink.nextRun());
      if (without === null) break;
      const trial = new Trial(first.seed, without);
      const failed = await Promise.race([ended(trial, work), tooLate]);
      if (failed === 'late') break;
      longest = Math.max(longest, now() - start);
      const isLike = failed !== undefined && isDeepStrictEqual(kindOf(failed.thrown), kind);
      // Its labs are of another run: what befalls them was not left out, and proves nothing.
      if (isLike && trial.labCount === 0) return null;
      const counts = isLike && trial.labCount === first.labCount;
      guard(() => shrink.ended(counts ? trial.befell() : undefined));
    }
  } finally {
    clearTimer(timer);
  }
  return guard(() => shrink.summary(first.seed));
}

/** What errors may have. */
type Shown = { code?: unknown; reason?: unknown; cause?: unknown; errors?: unknown };

/** What two failures have in common that are taken for the same. */
interface Kind {
  /** Of the class: one that the scenario makes is another one in each run. */
  readonly name: unknown;
  readonly code: unknown;
  readonly reason: unknown;
  /** The place in the application that it came from; undefined where that says nothing. */
  readonly place: string | undefined;
  /** Of the errors that are in it, or of what code of a fish or an effect threw. */
  readonly parts: readonly Kind[];
}

// Not a default: the depth that a recursion begins at.
function kindOf(thrown: unknown, depth = 0): Kind {
  // Under some runners errors of Node.js are made by another `Error` than the global one.
  if (!(thrown instanceof Error || types.isNativeError(thrown))) {
    return { name: typeof thrown, code: undefined, reason: undefined, place: undefined, parts: [] };
  }
  const { code, reason, cause, errors }: Shown = thrown;
  // The judge finds the same fault wherever somebody looks next.
  const isJudged = thrown instanceof UserCodeError || thrown instanceof InternalError;
  const parts = isJudged && cause !== undefined ? [cause] : Array.isArray(errors) ? errors : [];
  return {
    name: thrown.constructor?.name,
    code,
    reason,
    place: isJudged ? undefined : placeOf(thrown),
    parts: depth < DEPTH_MAX ? parts.map((part) => kindOf(part, depth + 1)) : [],
  };
}

/** The innermost place of its stack that is code of the application; undefined if there is none. */
function placeOf({ stack, message }: Error): string | undefined {
  if (typeof stack !== 'string') return undefined;
  // The message stands before the places, and may look like some.
  const places = stack.slice(Math.max(0, stack.indexOf(message)) + message.length);
  for (const line of places.split('\n')) {
    const [, called, plain] = /^\s+at (?:.*? \((.*)\)|(?:async )?(.*))$/.exec(line) ?? [];
    const place = called ?? plain;
    if (place !== undefined && isOfApplication(place)) return place;
  }
  return undefined;
}

function isOfApplication(place: string): boolean {
  const isPlace = /:\d+:\d+$/.test(place) && !place.startsWith('node:');
  return isPlace && !/[\\/]node_modules[\\/]/.test(place) && !place.startsWith(__dirname + sep);
}
