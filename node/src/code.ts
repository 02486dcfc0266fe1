/**
 * Code of the application that must be a function of its arguments: of fish, and what makes fish.
 * While it runs, a call that publishes or reads is refused.
 */
import { refuse } from './failures';

/** Whose code runs now. */
let running: string | undefined;

/** Runs `code`; `name` says in messages whose it is: `fish stock, step`. */
export function asCode<T>(name: string, code: () => T): T {
  const before = running;
  running = name;
  try {
    return code();
  } finally {
    running = before;
  }
}

/**
 * Called first by every call that does something.
 * @throws InvalidArgumentError it was called by code that must not, at once: there is nobody who
 * would await it.
 */
export function outsideOfCode(call: string): void {
  if (running === undefined) return;
  throw refuse(
    `${call} was called by code of ${running}, which must be a function of its arguments: it ` +
      'runs again and again, and on other nodes. Publish in an effect: node.run(fish, effect)',
  );
}

/** Whether a value is what asynchronous code gives. */
export function isPromise(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

/** What code raised, as a message. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `it threw ${String(thrown)}`;
  return thrown.message === '' ? thrown.name : `${thrown.name}: ${thrown.message}`;
}
