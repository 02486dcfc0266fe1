import type { Event } from './event';
import type { Payload } from './payload';

/** How the states of a fish become bytes and come back. */
export interface Codec<S> {
  /** A part of the fish's definition: 1 to 64 bytes of UTF-8. */
  readonly name: string;
  /** The bytes of a state, at most 16 MiB. */
  encode(state: S): Uint8Array;
  /** The state of these bytes, equal to the encoded one for every step that follows. */
  decode(bytes: Uint8Array): S;
}

/**
 * A fold of the events that a query selects, in key order, into a state.
 *
 * The functions must be functions of their arguments: no clock, no chance, nothing from outside.
 * They run again and again, on other nodes too, and from any state on that was saved.
 */
export interface Fish<S, P = Payload> {
  /** Its name, 1 to 255 bytes of UTF-8. */
  readonly id: string;
  /** Another one whenever the functions below or the form of the state change their meaning. */
  readonly version: number;
  /** Which events it folds. */
  readonly query: string;
  /** The state before the first event; a new one at each call. */
  initial(): S;
  /**
   * What a state becomes by the next event. It may change the state that it is given, and returns
   * the one that holds.
   */
  step(state: S, event: Event<P>): S;
  /**
   * An event for which this holds makes everything before it irrelevant: the state is the initial
   * one before it is stepped over.
   */
  isReset?(event: Event<P>): boolean;
  /** How a state becomes bytes. By default it is one value such as a payload may be. */
  readonly codec?: Codec<S> | undefined;
}
