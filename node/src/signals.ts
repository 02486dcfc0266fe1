/**
 * One listener per abort signal, however many calls share it: a runtime warns of a leak from the
 * eleventh listener on, and one signal for all calls of a request or a shift is what signals are
 * for.
 */

const callbacks = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>();

/** Calls `callback` with the reason when `signal` aborts; returns what ends that. */
export function onAbort(signal: AbortSignal, callback: (reason: unknown) => void): () => void {
  const listening = callbacks.get(signal) ?? listen(signal);
  listening.add(callback);
  return () => listening.delete(callback);
}

/**
 * A signal that aborts as soon as one of the two does, with its reason; none when both are none.
 * `release` ends its listening.
 */
export function eitherOf(
  one: AbortSignal | undefined,
  other: AbortSignal | undefined,
): { signal: AbortSignal | undefined; release: () => void } {
  if (one === undefined || other === undefined) return { signal: one ?? other, release: () => {} };
  const controller = new AbortController();
  const abort = (reason: unknown): void => controller.abort(reason);
  for (const signal of [one, other]) if (signal.aborted) abort(signal.reason);
  const stops = [onAbort(one, abort), onAbort(other, abort)];
  return { signal: controller.signal, release: () => stops.forEach((stop) => stop()) };
}

function listen(signal: AbortSignal): Set<(reason: unknown) => void> {
  const listening = new Set<(reason: unknown) => void>();
  const abort = (): void => {
    for (const callback of listening) callback(signal.reason);
    listening.clear();
  };
  callbacks.set(signal, listening);
  signal.addEventListener('abort', abort, { once: true });
  return listening;
}
