/** Effects: what an application publishes in answer to a state. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { withEncoded, type NewEvent } from './batch';
import type { NativeCausal } from './causal';
import { ClosedError } from './error-kinds';
import { guard } from './failures';
import type { Fish } from './fish';
import { native, type NativeState } from './native';
import {
  begin,
  stateOf,
  userCode,
  type Observed,
  type Place,
  type State,
} from './observer';
import type { Offsets } from './offsets';
import { bridge, operate, release } from './operations';
import { beginning, type CallOptions } from './options';
import { Published } from './published';
import { explained } from './work';

/** What an effect gives: the events to publish, nothing for nothing to do. */
export type Wanted = NewEvent | readonly NewEvent[] | null | undefined | void;

/**
 * What is to be published on this state. It may be asynchronous: other effects on the fish wait. An
 * effect inside of another one is refused.
 */
export type Effect<S> = (state: S, token: Offsets) => Wanted | Promise<Wanted>;

/** The effect that the code now running belongs to, also across what it awaits. */
const acting = new AsyncLocalStorage<{ isOver: boolean }>();

/** @throws InvalidArgumentError: it is called by an effect. */
export function outsideOfEffects(): void {
  const effect = acting.getStore();
  if (effect !== undefined && !effect.isOver) guard(() => native.refuseNestedEffect());
}

/** @internal How an effect publishes. */
export interface Publishing {
  readonly place: Place;
  readonly call: string;
  /** For the native half. */
  readonly options: object;
}

/** @internal Runs an effect once. */
export async function runOnce<S>(
  how: Publishing,
  fish: Fish<S>,
  said: NativeCausal,
  effect: Effect<S>,
  limits: CallOptions,
): Promise<Published | undefined> {
  const left = beginning(limits);
  const observed = await begin(how.call, how.place, fish, said, left());
  try {
    const turn = await take(how.call, observed, fish, false, said.session, left());
    // From here on no time is too long: what was begun is not half done.
    return await act(how, fish, turn, effect, { signal: limits.signal });
  } finally {
    release(observed.handle);
  }
}

/** @internal Runs an effect on each state until `isLast` holds for one, or the node is closed. */
export async function runAll<S>(
  how: Publishing,
  fish: Fish<S>,
  said: NativeCausal,
  effect: Effect<S>,
  isLast: (state: S) => boolean,
  limits: CallOptions,
): Promise<void> {
  const { signal } = limits;
  const observed = await begin(how.call, how.place, fish, said, limits);
  try {
    for (let isOver = false; !isOver; ) {
      const turn = await take(how.call, observed, fish, true, said.session, { signal });
      const judging: Effect<S> = (state, token) => {
        isOver = isLast(state);
        return isOver ? undefined : effect(state, token);
      };
      await act(how, fish, turn, judging, { signal });
    }
  } catch (error) {
    if (!(error instanceof ClosedError) || isOver(said.session)) throw error;
  } finally {
    release(observed.handle);
  }
}

/** @internal Whether a session that was named is closed: then an effect ended with that. */
export function isOver(session: bigint | undefined): boolean {
  if (session === undefined) return false;
  try {
    native.sessionToken(session);
    return false;
  } catch {
    return true;
  }
}

/** A turn, and the state to act on. */
interface Turn<S> {
  readonly handle: bigint;
  readonly state: State<S>;
}

/**
 * The right to act, once what the session has seen is here; with `isNew` on a state that differs
 * from the one of the last turn.
 */
async function take<S>(
  call: string,
  observed: Observed,
  fish: Fish<S>,
  isNew: boolean,
  session: bigint | undefined,
  limits: CallOptions,
): Promise<Turn<S>> {
  try {
    const answer = await operate(call, limits, (ticket, limit) =>
      bridge.observerTurn(ticket, observed.handle, isNew, session, limit),
    );
    const handle = answer.handle as bigint;
    try {
      return { handle, state: stateOf(fish, answer.state as NativeState) };
    } catch (error) {
      release(handle);
      throw error;
    }
  } catch (error) {
    throw explained(error, observed.work);
  }
}

/** Publishes what `effect` gives, and ends the turn. */
async function act<S>(
  how: Publishing,
  fish: Fish<S>,
  turn: Turn<S>,
  effect: Effect<S>,
  limits: CallOptions,
): Promise<Published | undefined> {
  try {
    const events = await wanted(fish, turn.state, effect);
    if (events.length === 0) return undefined;
    const { published } = await withEncoded(events, (bytes) =>
      operate(how.call, limits, (ticket, limit) =>
        bridge.turnPublish(ticket, turn.handle, bytes, how.options, limit),
      ),
    );
    return published === undefined ? undefined : new Published(published);
  } finally {
    release(turn.handle);
  }
}

/** @internal The events that `effect` gives. */
export async function wanted<S>(
  fish: Fish<S>,
  { state, token }: State<S>,
  effect: Effect<S>,
): Promise<readonly NewEvent[]> {
  const own = { isOver: false };
  try {
    const events = await acting.run(own, async () => effect(state, token));
    if (events === undefined || events === null) return [];
    return Array.isArray(events) ? (events as NewEvent[]) : [events as NewEvent];
  } catch (thrown) {
    throw userCode('effect', `an effect on the fish ${JSON.stringify(fish.id)}`, thrown);
  } finally {
    // What it has set going and does not await is not a part of it.
    own.isOver = true;
  }
}
