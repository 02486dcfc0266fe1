import { causal, causalEnd, openingLimits, type CausalOptions, type NativeCausal } from './causal';
import { messageOf } from './code';
import { causedBy, caught, guard } from './failures';
import { CodeFish, type Fish } from './fish';
import { native, type NativeState } from './native';
import { Offsets } from './offsets';
import { bridge, operate, release } from './operations';
import type { CallOptions } from './options';
import { Pulled } from './pulled';
import { explained, work, workOf, type Work } from './work';

/** A state of a fish. */
export interface State<S> {
  /** A copy of its own: what is done with it changes nothing for others. */
  readonly state: S;
  /** It is the fold of all matching events of these offsets. */
  readonly token: Offsets;
  /** Key of the last event in it; undefined when there is none. */
  readonly last: string | undefined;
  /** From 1 on, rising; counted for each fold. */
  readonly number: number;
}

/** How a fish is observed: what its states must have seen, beside the limits of calls. */
export interface ObserveOptions extends CallOptions, CausalOptions {}

/** @internal The node that a fish is observed at. */
export interface Place {
  readonly id: string;
  readonly handle: bigint;
}

/** @internal A fish that is observed: the observer, and its fold if that is worked here. */
export interface Observed {
  readonly handle: bigint;
  readonly work: Work | undefined;
}

/** @internal Observes a fish, and works its fold if that is for us to do. */
export async function begin<S>(
  call: string,
  place: Place,
  fish: Fish<S>,
  said: NativeCausal,
  limits: CallOptions,
): Promise<Observed> {
  const spec = fish.spec();
  const answer = await operate(
    call,
    limits,
    (ticket, limit) => bridge.observe(ticket, place.handle, spec, said, limit),
    fish.query,
  );
  const handle = answer.handle as bigint;
  if (!(fish instanceof CodeFish)) return { handle, work: undefined };
  const id = guard(() => native.fishId(spec));
  const fold = answer.fold;
  const own = fold === undefined ? workOf(place.id, id) : work(place.id, id, fold, fish);
  return { handle, work: own };
}

/**
 * @internal A state from the native half.
 * @throws UserCodeError the codec of the fish could not decode it.
 */
export function stateOf<S>(fish: Fish<S>, state: NativeState): State<S> {
  const { token, last, number } = state;
  let decoded: S;
  try {
    decoded = fish.decode(state.bytes);
  } catch (thrown) {
    throw userCode('decode', `a state of the fish ${JSON.stringify(fish.id)}`, thrown);
  }
  return { state: decoded, token: Offsets.trusted(token), last: last ?? undefined, number };
}

/** @internal The error for what code of the application raised. */
export function userCode(
  of: 'effect' | 'initial' | 'step' | 'encode' | 'decode' | 'grow_only',
  what: string,
  thrown: unknown,
): Error {
  try {
    native.failCode(of, `${what} failed: ${messageOf(thrown)}`);
  } catch (error) {
    return causedBy(caught(error), thrown);
  }
  throw new TypeError('failCode always throws');
}

/**
 * The states of a fish: the newest caught-up one at once, then one whenever it may have changed.
 * Made by {@link Node.observe}.
 *
 * It is a value, not a queue: who is slow skips states, and costs nothing. It ends when it or its
 * node is closed; when code of the fish fails, after the last good state with
 * {@link UserCodeError}.
 */
export class Observer<S> extends Pulled<State<S>> {
  /** @internal */
  constructor(place: Place, fish: Fish<S>, call: string, options: ObserveOptions) {
    const { signal, timeoutMs } = options;
    const said = causal(call, options);
    const observed = begin(call, place, fish, said, openingLimits(said, options));
    super(
      {
        call: 'observer',
        opened: observed.then(({ handle }) => handle),
        opensUntil: causalEnd(said, timeoutMs),
        next: async (handle, left) => {
          try {
            const { state } = await operate('observer', left(), (ticket, limit) =>
              bridge.observerNext(ticket, handle, limit),
            );
            if (state === undefined || state.isEnd) return undefined;
            return { value: stateOf(fish, state) };
          } catch (error) {
            throw explained(error, (await observed).work);
          }
        },
        close: release,
      },
      { signal, timeoutMs },
    );
  }
}

/** @internal The state of a fish, once. */
export async function once<S>(
  place: Place,
  fish: Fish<S>,
  said: NativeCausal,
  left: () => CallOptions,
): Promise<State<S>> {
  const { handle, work } = await begin('state', place, fish, said, left());
  try {
    const { state } = await operate('state', left(), (ticket, limit) =>
      bridge.observerState(ticket, handle, limit),
    );
    return stateOf(fish, state as NativeState);
  } catch (error) {
    throw explained(error, work);
  } finally {
    release(handle);
  }
}
