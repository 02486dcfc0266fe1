/** The states of a fish at a node of a lab, as time brings them. */
import { causal } from './causal';
import { isOver } from './effects';
import { TimeoutError } from './error-kinds';
import { guard } from './failures';
import type { Fish } from './fish';
import type { LabHalf } from './lab-node';
import type { ObserveOptions, State } from './observer';
import { within } from './operations';
import { limitsOf } from './options';
import { Pulled, type PullSource } from './pulled';

/**
 * The states of a fish at a node of a lab: the newest one at once, then one after each call that
 * lets time pass, if it is a new one. Made by {@link LabNode.observe}.
 *
 * It is a value, not a queue: who asks later skips states. It ends when it is closed, or with the
 * process of its node; when code of the fish fails with {@link UserCodeError}. `timeoutMs` is of
 * virtual time. While a call waits, nothing keeps the process alive: time passes by other calls.
 */
export class LabObserver<S> extends Pulled<State<S>> {
  /** @internal */
  constructor(half: LabHalf, node: number, fish: Fish<S>, options: ObserveOptions | undefined) {
    const limits = limitsOf('observe', options);
    super(statesOf(half, node, fish, options), limits);
  }
}

function statesOf<S>(
  half: LabHalf,
  node: number,
  fish: Fish<S>,
  options: ObserveOptions | undefined,
): PullSource<State<S>> {
  const { session } = causal('observe', options);
  const { after, session: seeing } = options ?? {};
  const lifeNow = (): number => guard(() => half.native.life(node));
  const life = lifeNow();
  const elapsed = (): number => Math.round(half.lab.elapsedMs);
  let [last, isClosed] = [0, false];
  let wake = (): void => {};
  const look = (): State<S> => {
    // Only the first one has to have seen something: it grows from there.
    const state = half.state(node, fish, last === 0 ? { after, session: seeing } : {});
    if (last !== 0 && !isOver(session)) seeing?.sees(state.token);
    return state;
  };
  return {
    call: 'observer',
    opened: Promise.resolve(0n),
    opensUntil: undefined,
    next: async (_, left) => {
      const { signal, timeoutMs } = left();
      // What is left was taken from the real clock, and a little of it has passed.
      const end = elapsed() + Math.ceil(timeoutMs ?? Infinity);
      while (!isClosed && lifeNow() === life) {
        const state = look();
        if (state.number !== last) {
          last = state.number;
          return { value: state };
        }
        if (elapsed() >= end) throw new TimeoutError('no state has come by then');
        const passed = new Promise<void>((resolve) => {
          wake = resolve;
          void half.passed().then(resolve);
        });
        await within(passed, { signal });
      }
      return undefined;
    },
    close: () => {
      isClosed = true;
      wake();
    },
  };
}
