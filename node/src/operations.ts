/**
 * Every operation of this environment, from its start to its promise.
 *
 * The native half wakes us once for everything that ended; a pending operation keeps the process
 * alive, an open node does not.
 */
import { CancelledError, TimeoutError } from './error-kinds';
import { AbortError, caught, guard, toError } from './failures';
import { native, type NativeBridge, type NativeCompletion, type NativeLimit } from './native';
import { abortSignal, given, number, type CallOptions } from './options';
import { onAbort } from './signals';

const waiting = new Map<number, (completion: NativeCompletion) => void>();
let lastTicket = 0;
/** A timer that is set to more than this fires at once: about 25 days. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The operations of this environment. */
export const bridge: NativeBridge = guard(
  () =>
    new native.Bridge(() => {
      for (const completion of bridge.drain()) waiting.get(completion.ticket)?.(completion);
    }),
);

/**
 * Starts an operation with the signal and the timeout of `options`.
 *
 * `begin` hands the ticket and the limit to the native half, which may answer at once. `text` is
 * the text that the position of an error points into.
 */
export function operate(
  call: string,
  options: CallOptions | undefined,
  begin: (ticket: number, limit: NativeLimit) => NativeCompletion | null | void,
  text?: string,
): Promise<NativeCompletion> {
  return new Promise((resolve, reject) => {
    const signal = given(call, 'signal', options?.signal, abortSignal).signal;
    const limit: NativeLimit = given(call, 'timeoutMs', options?.timeoutMs, number);
    if (signal?.aborted) throw new AbortError(signal.reason);
    const ticket = ++lastTicket;
    const release = cancelOn(signal, limit, ticket);
    const settle = (): void => {
      waiting.delete(ticket);
      release();
    };
    waiting.set(ticket, (completion) => {
      settle();
      if (completion.failure == null) return resolve(completion);
      const error = toError(completion.failure, text);
      const aborted = error instanceof CancelledError && signal?.aborted;
      reject(aborted ? new AbortError(signal.reason) : error);
    });
    try {
      const answer = begin(ticket, limit);
      if (answer != null) waiting.get(ticket)?.(answer);
    } catch (thrown) {
      settle();
      reject(caught(thrown, text));
    }
  });
}

/** Closes whatever a handle stands for, as often as you like. */
export function release(handle: bigint): void {
  try {
    bridge.release(handle);
  } catch {
    // In a forked process there is nothing to close.
  }
}

/**
 * What `work` comes to, unless the signal or the timeout of `options` ends the wait before. The
 * work itself goes on.
 */
export function within<T>(work: Promise<T>, options: CallOptions): Promise<T> {
  const { signal, timeoutMs } = options;
  if (signal?.aborted) {
    // What becomes of it is for others to hear.
    work.catch(() => {});
    return Promise.reject(new AbortError(signal.reason));
  }
  if (signal === undefined && timeoutMs === undefined) return work;
  let release = (): void => {};
  const ended = new Promise<never>((_, reject) => {
    const stopListening =
      signal === undefined ? () => {} : onAbort(signal, (why) => reject(new AbortError(why)));
    const late = (): void => reject(new TimeoutError('the call took longer than its timeout'));
    const isBound = timeoutMs !== undefined && timeoutMs >= 0 && timeoutMs <= TIMER_MS_MAX;
    const timer = isBound ? setTimeout(late, timeoutMs) : undefined;
    release = () => {
      stopListening();
      clearTimeout(timer);
    };
  });
  return Promise.race([work, ended]).finally(release);
}

/** Lets `signal` call off what `limit` is given to; returns what ends that. */
function cancelOn(
  signal: AbortSignal | undefined,
  limit: NativeLimit,
  ticket: number,
): () => void {
  if (signal === undefined) return () => {};
  limit.ticket = ticket;
  return onAbort(signal, () => guard(() => bridge.cancel(ticket)));
}
