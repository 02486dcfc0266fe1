/**
 * The work of folds: code of fish, run on the event loop a batch at a time. The native half says
 * what is to be done (`foldNext`), one crossing for each batch.
 *
 * Rule: who is given a fold works it until it ends, whatever becomes of the observer that it came
 * with: others may share it. Nobody waits for it, so it keeps no process alive.
 */
import { EventBatch } from './batch';
import { asCode, isPromise, messageOf } from './code';
import { UserCodeError } from './error-kinds';
import type { CodeFish } from './fish';
import { causedBy } from './failures';
import { native, type NativeAnswer, type NativeBatch, type NativeJob } from './native';
import { bridge, operate } from './operations';
import { describe } from './options';

/** Code that takes longer than this lets the event loop have its turn before it goes on. */
const SLICE_MS = 10;
/** After so many events it looks at the clock: a power of two. */
const LOOK_EVENTS = 64;

/** A fold that is worked here. */
export interface Work {
  /** What its code raised, once it has. */
  readonly failed: { readonly thrown: unknown } | undefined;
}

/** The folds that are worked here, by node and fish. */
const works = new Map<string, Work>();

/** The fold of that fish of that node, if it is worked here. */
export function workOf(node: string, fish: string): Work | undefined {
  return works.get(`${node} ${fish}`);
}

/** Works `fold` from now on. */
export function work<S, P>(node: string, fold: bigint, fish: CodeFish<S, P>): Work {
  const worker = new Worker<S, P>(fold, fish);
  const name = `${node} ${fish.id}`;
  works.set(name, worker);
  void worker.run().finally(() => {
    if (works.get(name) === worker) works.delete(name);
  });
  return worker;
}

/** An error of a fold, with what its code raised if that was here. */
export function explained(error: unknown, work: Work | undefined): unknown {
  const failed = error instanceof UserCodeError ? work?.failed : undefined;
  return failed === undefined ? error : causedBy(error as UserCodeError, failed.thrown);
}

class Worker<S, P> implements Work {
  failed: { readonly thrown: unknown } | undefined;
  readonly #fold: bigint;
  readonly #fish: CodeFish<S, P>;
  #state: S | undefined;

  constructor(fold: bigint, fish: CodeFish<S, P>) {
    this.#fold = fold;
    this.#fish = fish;
  }

  /** Until it has ended. Never rejects. */
  async run(): Promise<void> {
    let answer: NativeAnswer | undefined;
    try {
      for (;;) {
        const said = answer;
        const { job } = await operate('fish', undefined, (ticket, limit) =>
          bridge.foldNext(ticket, this.#fold, said, limit),
        );
        if (job === undefined || job.kind === 'ended') break;
        answer = await this.#answer(job);
      }
    } catch {
      // Its node was closed; its observers know.
    }
    try {
      native.foldClose(this.#fold);
    } catch {
      // It was closed with its node.
    }
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

  #load(bytes: Buffer | undefined): NativeAnswer {
    const from = bytes === undefined ? 'initial' : 'decode';
    return this.#run(from, () => {
      this.#state = this.#checked(
        from,
        bytes === undefined ? this.#fish.initial() : this.#fish.decode(bytes),
      );
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
      const end = performance.now() + SLICE_MS;
      let state = this.#state as S;
      for (; at.index < events.length; at.index++) {
        if (at.index % LOOK_EVENTS === 0 && performance.now() > end) break;
        const event = events[at.index] as (typeof events)[number];
        if (isReset !== undefined) {
          at.function = 'is_reset';
          if (judged(isReset(event))) {
            at.function = 'initial';
            state = this.#checked('initial', initial());
            lastReset = at.index;
          }
          at.function = 'step';
        }
        state = step(state, event);
        if (state === undefined || typeof state === 'object') this.#checked('step', state);
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
      this.failed = { thrown };
      const where = at === undefined ? { function: name } : at;
      return { kind: 'failed', ...where, message: messageOf(thrown) };
    }
  }

  /** A state that code has given. */
  #checked(from: string, state: S): S {
    if (state === undefined) {
      throw new TypeError(`${from} gave undefined: what it returns is the state`);
    }
    if (isPromise(state)) {
      // What becomes of it is nobody's business any more.
      (state as Promise<unknown>).then(
        () => {},
        () => {},
      );
      throw new TypeError(`${from} gave a promise: it cannot be asynchronous`);
    }
    return state;
  }
}

/** Which function of a fish, as the native half names them. */
type FishFunction = 'initial' | 'step' | 'is_reset' | 'encode' | 'decode';

function judged(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer;
  throw new TypeError(`isReset must return a boolean, not ${describe(answer)}`);
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
