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
import type { CodeFish } from './fish';
import { causedBy } from './failures';
import type { NativeAnswer, NativeBatch, NativeJob } from './native';
import { bridge, operate, release } from './operations';

/** Code that takes longer than this lets the event loop have its turn before it goes on. */
const SLICE_MS = 10;
/** It looks at the clock after so many events at most, and after each where they took this long. */
const LOOK_EVENTS_MAX = 64;
const LOOK_MS = 1;
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
  const worker = new Worker<S, P>(id, fold, fish);
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
  const failed = works.filter((work) => work?.failed !== undefined);
  const isNamed = (work: Work | undefined): boolean =>
    error.message.includes(`fish ${JSON.stringify(work?.fish)} `);
  const own = failed.find(isNamed) ?? failed[0];
  return own?.failed === undefined ? error : causedBy(error, own.failed.thrown);
}

class Worker<S, P> implements Work {
  readonly fish: string;
  failed: { readonly thrown: unknown } | undefined;
  readonly #fold: bigint;
  readonly #fish: CodeFish<S, P>;
  #state: S | undefined;
  /** After so many events it looks at the clock. */
  #every = 1;

  constructor(id: string, fold: bigint, fish: CodeFish<S, P>) {
    this.fish = id;
    this.#fold = fold;
    this.#fish = fish;
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
        answer = this.#failed(thrown, { function: of });
        if (isTold) break;
      }
    }
    release(this.#fold);
  }

  async #answer(job: NativeJob): Promise<NativeAnswer> {
    switch (job.kind) {
      case 'load':
        return this.#load(job.bytes);
      case 'apply':
        return this.#apply(job.batch as NativeBatch);
      default:
        return this.#save();
    }
  }

  #failed(thrown: unknown, where: { function: FishFunction; index?: number }): NativeAnswer {
    this.failed = { thrown };
    return { kind: 'failed', ...where, message: messageOf(thrown) };
  }

  #load(bytes: Buffer | undefined): NativeAnswer {
    const from = bytes === undefined ? 'initial' : 'decode';
    return this.#run(from, () => {
      this.#state =
        bytes === undefined ? stateFrom(from, this.#fish.initial()) : this.#fish.decode(bytes);
      return { kind: 'loaded' };
    });
  }

  #save(): NativeAnswer {
    return this.#run('encode', () => {
      return { kind: 'saved', bytes: this.#fish.encode(this.#state as S) };
    });
  }

  async #apply(native: NativeBatch): Promise<NativeAnswer> {
    const { events } = EventBatch.from<P>(native);
    const { initial, step, isReset } = this.#fish;
    const at = { function: 'step' as FishFunction, index: 0 };
    let lastReset: number | undefined;
    const slice = (): NativeAnswer => {
      const begun = performance.now();
      let looked = begun;
      let look = at.index + this.#every;
      let state = this.#state as S;
      for (; at.index < events.length; at.index++) {
        if (at.index === look) {
          const now = performance.now();
          this.#every = now - looked > LOOK_MS ? 1 : Math.min(2 * this.#every, LOOK_EVENTS_MAX);
          if (now - begun > SLICE_MS) break;
          looked = now;
          look = at.index + this.#every;
        }
        const event = events[at.index] as (typeof events)[number];
        if (isReset !== undefined) {
          at.function = 'is_reset';
          if (judged('isReset', isReset(event))) {
            at.function = 'initial';
            state = stateFrom('initial', initial());
            lastReset = at.index;
          }
          at.function = 'step';
        }
        state = step(state, event);
        if (state === undefined || typeof state === 'object') stateFrom('step', state);
      }
      this.#state = state;
      return { kind: 'applied', ...(lastReset === undefined ? {} : { lastReset }) };
    };
    for (;;) {
      const answer = this.#run('step', slice, at);
      if (answer.kind === 'failed') return answer;
      await turnOfTheLoop();
      if (at.index === events.length) return answer;
    }
  }

  /** What `code` gives, or that it failed. */
  #run(
    name: FishFunction,
    code: () => NativeAnswer,
    at?: { function: FishFunction; index: number },
  ): NativeAnswer {
    try {
      return asCode(`the fish ${JSON.stringify(this.#fish.id)}`, code);
    } catch (thrown) {
      return this.#failed(thrown, at === undefined ? { function: name } : at);
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
