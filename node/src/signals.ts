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
