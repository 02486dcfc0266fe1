/**
 * The work of folds: code of fish, run on the event loop a batch at a time. The native half says
 * what is to be done (`foldNext`), one crossing for each batch.
 *
 * Rule: who is given a fold works it until it ends, whatever becomes of the observer that it came
 * with: others may share it. Nobody waits for it, so it keeps no process alive.
 */
import { AsyncResource } from 'node:async_hooks';
import { EventBatch } from './batch';
import { asCode, judged, messageOf, stateFrom } from './code';
import { ClosedError, UserCodeError } from './error-kinds';
import type { Event } from './event';
import type { CodeFish } from './fish';
import { causedBy } from './failures';
import type { NativeAnswer, NativeBatch, NativeJob } from './native';
import { bridge, operate, release } from './operations';

/** Code that takes longer than this lets the event loop have its turn before it goes on. */
const SLICE_MS = 10;
/** It looks at the clock after so many events at most, and after each where they took this long. */
const LOOK_EVENTS_MAX = 64;
const LOOK_MS = 1;
/** The clock as it is, whatever a test makes of it. */
const clock = performance.now.bind(performance);
/** Where folds are worked: not in the context of whoever was the first to ask for a state. */
const home = new AsyncResource('millpond');

/** A fold that is worked here. */
export interface Work {
  /** Id of the fish, in its one form. */
  readonly fish: string;
  /** What its code raised, once it has. */
  readonly failed: { readonly thrown: unknown } | undefined;
}

/** The folds that are worked here, by node and id of the fish in its one form. */
const works = new Map<string, Work>();

/** The fold of that fish of that node, if it is worked here. */
export function workOf(node: string, fish: string): Work | undefined {
  return works.get(`${node} ${fish}`);
}

/** Works `fold` from now on; `id` is that of its fish in its one form. */
export function work<S, P>(
  node: string,
  id: string,
  fold: bigint,
  fish: CodeFish<S, P>,
): Work {
  const worker = new FoldWork<S, P>(id, fold, fish);
  const name = `${node} ${id}`;
  works.set(name, worker);
  const ended = (): void => {
    if (works.get(name) === worker) works.delete(name);
  };
  home.runInAsyncScope(() => void worker.run().then(ended));
  return worker;
}

/** An error of one of some folds, with what its code raised if that was here. */
export function explained(error: unknown, ...works: (Work | undefined)[]): unknown {
  if (!(error instanceof UserCodeError)) return error;
  const { fish } = (error.details ?? {}) as { readonly fish?: string };
  const own = works.find((work) => work?.failed !== undefined && work.fish === fish);
  return own?.failed === undefined ? error : causedBy(error, own.failed.thrown);
}

/** Works a fold of a node. */
class FoldWork<S, P> implements Work {
  readonly fish: string;
  readonly #fold: bigint;
  readonly #code: FishCode<S, P>;

  constructor(id: string, fold: bigint, fish: CodeFish<S, P>) {
    this.fish = id;
    this.#fold = fold;
    this.#code = new FishCode(fish);
  }

  get failed(): { readonly thrown: unknown } | undefined {
    return this.#code.failed;
  }

  /** Until it has ended. Never rejects. */
  async run(): Promise<void> {
    let answer: NativeAnswer | undefined;
    for (let of: FishFunction = 'initial'; ; ) {
      try {
        const said = answer;
        const { job } = await operate('fish', undefined, (ticket, limit) =>
          bridge.foldNext(ticket, this.#fold, said, limit),
        );
        if (job === undefined || job.kind === 'ended') break;
        of = functionOf(job);
        answer = await this.#answer(job);
      } catch (thrown) {
        // Of a node that was closed its observers know.
        if (thrown instanceof ClosedError) break;
        const isTold = answer?.kind === 'failed';
        answer = this.#code.fail(thrown, { function: of });
        if (isTold) break;
      }
    }
    release(this.#fold);
  }

  async #answer(job: NativeJob): Promise<NativeAnswer> {
    let answer = this.#code.begin(job, SLICE_MS);
    if (job.kind !== 'apply') return answer as NativeAnswer;
    while (answer?.kind !== 'failed') {
      await turnOfTheLoop();
      if (answer !== undefined) return answer;
      answer = this.#code.goOn(SLICE_MS);
    }
    return answer;
  }
}

/** Events that are being applied. */
interface Applying<P> {
  readonly events: readonly Event<P>[];
  /** Where the code is. */
  readonly at: { function: FishFunction; index: number };
  lastReset: number | undefined;
}

/** Code of a fish, and the one state that it works on: does jobs, of whomever they are. */
export class FishCode<S, P> {
  /** What the code raised, once it has. */
  failed: { readonly thrown: unknown } | undefined;
  readonly #fish: CodeFish<S, P>;
  #state: S | undefined;
  #applying: Applying<P> | undefined;
  /** After so many events it looks at the clock. */
  #every = 1;

  constructor(fish: CodeFish<S, P>) {
    this.#fish = fish;
  }

  /**
   * Does a job. Of one that applies events it does no more than takes `sliceMs`, if that is less
   * than all of it: undefined then, and {@link FishCode.goOn} does more.
   */
  begin(job: NativeJob, sliceMs: number): NativeAnswer | undefined {
    if (job.kind === 'load') return this.#load(job.bytes);
    if (job.kind === 'save') return this.#save();
    const { events } = EventBatch.from<P>(job.batch as NativeBatch);
    this.#applying = { events, at: { function: 'step', index: 0 }, lastReset: undefined };
    return this.goOn(sliceMs);
  }

  /** Goes on applying events. */
  goOn(sliceMs: number): NativeAnswer | undefined {
    const applying = this.#applying as Applying<P>;
    let answer: NativeAnswer | undefined;
    const failed = this.#run(applying.at, () => {
      answer = this.#slice(applying, sliceMs);
    });
    return failed ?? answer;
  }

  /** The answer that the code failed there. */
  fail(thrown: unknown, where: { function: FishFunction; index?: number }): NativeAnswer {
    this.failed = { thrown };
    return { kind: 'failed', ...where, message: messageOf(thrown) };
  }

  #load(bytes: Buffer | undefined): NativeAnswer {
    const from = bytes === undefined ? 'initial' : 'decode';
    const failed = this.#run({ function: from }, () => {
      this.#state =
        bytes === undefined ? stateFrom(from, this.#fish.initial()) : this.#fish.decode(bytes);
    });
    return failed ?? { kind: 'loaded' };
  }

  #save(): NativeAnswer {
    let bytes: Uint8Array = new Uint8Array();
    const failed = this.#run({ function: 'encode' }, () => {
      bytes = this.#fish.encode(this.#state as S);
    });
    return failed ?? { kind: 'saved', bytes };
  }

  #slice(applying: Applying<P>, sliceMs: number): NativeAnswer | undefined {
    const { events, at } = applying;
    const { initial, step, isReset } = this.#fish;
    const begun = clock();
    let looked = begun;
    let look = at.index + this.#every;
    let state = this.#state as S;
    for (; at.index < events.length; at.index++) {
      if (at.index === look) {
        const now = clock();
        this.#every = now - looked > LOOK_MS ? 1 : Math.min(2 * this.#every, LOOK_EVENTS_MAX);
        if (now - begun > sliceMs) break;
        looked = now;
        look = at.index + this.#every;
      }
      const event = events[at.index] as (typeof events)[number];
      if (isReset !== undefined) {
        at.function = 'is_reset';
        if (judged('isReset', isReset(event))) {
          at.function = 'initial';
          state = stateFrom('initial', initial());
          applying.lastReset = at.index;
        }
        at.function = 'step';
      }
      state = step(state, event);
      if (state === undefined || typeof state === 'object') stateFrom('step', state);
    }
    this.#state = state;
    if (at.index < events.length) return undefined;
    const { lastReset } = applying;
    return { kind: 'applied', ...(lastReset === undefined ? {} : { lastReset }) };
  }

  /** Runs `code`; the answer when it failed. */
  #run(at: { function: FishFunction; index?: number }, code: () => void): NativeAnswer | undefined {
    try {
      asCode(`the fish ${JSON.stringify(this.#fish.id)}`, code);
      return undefined;
    } catch (thrown) {
      return this.fail(thrown, at);
    }
  }
}

/** Which function of a fish, as the native half names them. */
type FishFunction = 'initial' | 'step' | 'is_reset' | 'encode' | 'decode';

/** Which function a job is for, before it is known better. */
function functionOf(job: NativeJob): FishFunction {
  if (job.kind === 'load') return job.bytes === undefined ? 'initial' : 'decode';
  return job.kind === 'apply' ? 'step' : 'encode';
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
