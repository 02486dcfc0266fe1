/** Runs of a scenario: what their labs leave out, and the smaller failure of one that fails. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import { guard } from './failures';
import { native, type NativeBefall, type NativeLab } from './native';

/** So long a smaller failure is looked for, in ms: runners give a test 5 s. */
const SHRINK_MS_MAX = 2_000;
/** So many labs of a run are asked what befell them, the first ones. */
const LABS_MAX = 64;

/** A run: the labs that are made in it leave this out, too. */
export class Trial {
  readonly without: readonly number[];
  readonly #labs: NativeLab[] = [];

  constructor(without: readonly number[]) {
    this.without = without;
  }

  /** Remembers a lab of this run. */
  take(lab: NativeLab): void {
    if (this.#labs.length < LABS_MAX) this.#labs.push(lab);
  }

  /** What befell its labs. */
  befell(): NativeBefall[] {
    return this.#labs.flatMap((lab) => guard(() => lab.befell()));
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
  const trial = new Trial(leftOut ?? []);
  const failed = await ended(trial, work);
  if (failed === undefined) return undefined;
  const isShrunk = shrink && leftOut === null;
  const smaller = isShrunk ? await shrunk(seed, failed.thrown, trial.befell(), work) : null;
  return { ...failed, smaller };
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
  seed: number,
  first: unknown,
  befell: NativeBefall[],
  work: () => unknown,
): Promise<string | null> {
  const shrink = guard(() => new native.LabShrink(befell));
  const until = performance.now() + SHRINK_MS_MAX;
  let timer: NodeJS.Timeout | undefined;
  // With less a scenario may wait for what never comes.
  const tooLate = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, SHRINK_MS_MAX, 'late');
  });
  try {
    while (performance.now() < until) {
      const without = guard(() => shrink.nextRun());
      if (without === null) break;
      const trial = new Trial(without);
      const failed = await Promise.race([ended(trial, work), tooLate]);
      if (failed === 'late') break;
      const isLike = failed !== undefined && areAlike(failed.thrown, first);
      guard(() => shrink.ended(isLike ? trial.befell() : undefined));
    }
  } finally {
    clearTimeout(timer);
  }
  return guard(() => shrink.summary(seed));
}

/** Whether both are of one kind: what made them, and the `code` and `reason` that they have. */
function areAlike(one: unknown, other: unknown): boolean {
  if (!(one instanceof Error && other instanceof Error)) return typeof one === typeof other;
  const [own, first] = [one, other] as { code?: unknown; reason?: unknown }[];
  const isLike = own?.code === first?.code && own?.reason === first?.reason;
  return isLike && one.constructor === other.constructor;
}
