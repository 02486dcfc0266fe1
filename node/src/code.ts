/**
 * Code of the application that must be a function of its arguments: of fish, and what makes fish.
 * While it runs, a call that publishes, reads events or states, or acts is refused.
 */
import { refuse } from './failures';
import { describe } from './options';

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

/**
 * What code gave, which must be there at once.
 * @throws TypeError it is a promise, whatever becomes of that.
 */
export function atOnce<T>(from: string, value: T): T {
  if (!isPromise(value)) return value;
  (value as Promise<unknown>).then(ignored, ignored);
  throw new TypeError(`${from} gave a promise: it cannot be asynchronous`);
}

/**
 * The state that code gave.
 * @throws TypeError it gave nothing, or a promise.
 */
export function stateFrom<S>(from: string, value: S): S {
  if (value !== undefined) return atOnce(from, value);
  throw new TypeError(`${from} gave undefined: what it returns is the state`);
}

/**
 * What code that says yes or no gave.
 * @throws TypeError it is no boolean.
 */
export function judged(from: string, answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer;
  throw new TypeError(`${from} must return a boolean, not ${describe(atOnce(from, answer))}`);
}

/** Whether a value is what asynchronous code gives. */
function isPromise(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}

/** What code raised, as a message. */
export function messageOf(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return `it threw ${String(thrown)}`;
    return thrown.message === '' ? `${thrown.name}` : `${thrown.name}: ${thrown.message}`;
  } catch {
    return 'it threw something that cannot be shown as text';
  }
}

function ignored(): void {}
