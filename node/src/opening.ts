/** Waiting for something that is opened in the background. */
import { within } from './operations';
import type { CallOptions } from './options';

/**
 * The handle, when it was opened; what is wrong with it rejects. Where the opening has an end of
 * its own at `opensUntil` (by the clock of `performance.now`) that comes no later than that of the
 * call, the call waits for it: it says more than a timeout.
 */
export function opening(
  opened: Promise<bigint>,
  opensUntil: number | undefined,
  left: CallOptions,
): Promise<bigint> {
  const { signal, timeoutMs } = left;
  if (opensUntil === undefined) return within(opened, left);
  const end = timeoutMs === undefined ? Infinity : performance.now() + timeoutMs;
  // Both were taken from one clock, one after the other, and rounded.
  const endsFirst = end + 1 >= opensUntil;
  return within(opened, endsFirst ? { signal } : left);
}
