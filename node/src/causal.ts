import { guard, refuse } from './failures';
import { native } from './native';
import { Offsets } from './offsets';
import { bridge, release } from './operations';
import { describe, given, type CallOptions } from './options';

/**
 * What a read must have seen. With one of these the call's `timeoutMs` is how long to wait for
 * that, and the end of it is {@link NotYetVisibleError}, which names what is missing; 0 does not
 * wait, and without a timeout it waits for ever.
 */
export interface CausalOptions {
  /** Only from a log that covers these offsets, or their token: those of a publish, for example. */
  readonly after?: Offsets | string | undefined;
  /** The same for what this session has seen; it then has seen what the answer is as of, too. */
  readonly session?: Session | undefined;
}

/** The names of causal options. */
export const causalOptions = ['after', 'session'] as const;

/** Closes what nobody can reach any more. */
const unreachable = new FinalizationRegistry<bigint>(release);

/**
 * What its owner has written and read so far. Calls that name it in their options read and write
 * after that, and add to it what they gave: so its owner never sees a state of the log from before
 * what it has seen, at one node or at several. Made by {@link Node.session}; it belongs to no node.
 *
 * To go on elsewhere, take {@link Session.token} along and say it there to {@link Session.sees}.
 */
export class Session implements Disposable {
  readonly #handle: bigint;

  /** @internal */
  constructor() {
    this.#handle = guard(() => bridge.sessionNew());
    unreachable.register(this, this.#handle, this);
  }

  /**
   * What it has seen.
   * @throws ClosedError.
   */
  get token(): Offsets {
    return Offsets.trusted(guard(() => native.sessionToken(this.#handle)));
  }

  /**
   * It has seen this, too: offsets, or a token from elsewhere.
   * @throws InvalidArgumentError it is no token; ClosedError.
   */
  sees(seen: Offsets | string): void {
    const token = Offsets.tokenOf('Session.sees: seen', seen);
    guard(() => native.sessionSees(this.#handle, token), token);
  }

  /** Ends it, as often as you like. Calls that name it afterwards reject with ClosedError. */
  close(): void {
    unreachable.unregister(this);
    release(this.#handle);
  }

  /** As {@link Session.close}: for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal The handle of an argument. */
  static handleOf(name: string, value: unknown): bigint {
    if (value instanceof Session) return value.#handle;
    throw refuse(`${name} must be a Session, not ${describe(value)}`);
  }
}

/** What causal options say to the native half. */
export interface NativeCausal {
  after?: string;
  session?: bigint;
}

/** The causal part of `options`, checked. */
export function causal(call: string, options: CausalOptions | undefined): NativeCausal {
  return {
    ...given(call, 'after', options?.after, Offsets.tokenOf),
    ...given(call, 'session', options?.session, Session.handleOf),
  };
}

/**
 * The limits of what is opened in the background. A timeout is one of each step, and of the opening
 * only where that waits for what `said` names.
 */
export function openingLimits(said: NativeCausal, limits: CallOptions): CallOptions {
  const waits = said.after !== undefined || said.session !== undefined;
  return waits ? limits : { signal: limits.signal };
}

/**
 * Until when the wait for what `causal` names ends by itself, by the clock of `performance.now`;
 * undefined when there is none or it has no end.
 */
export function causalEnd(said: NativeCausal, timeoutMs: number | undefined): number | undefined {
  const waits = said.after !== undefined || said.session !== undefined;
  return waits && timeoutMs !== undefined ? performance.now() + timeoutMs : undefined;
}
