/** From what the native half reports to the error classes. */
import { MillpondError } from './error';
import * as kinds from './error-kinds';
import {
  CancelledError,
  InternalError,
  InvalidArgumentError,
  OverdraftError,
} from './error-kinds';
import { fromJson } from './json';
import type { Payload } from './payload';

/** The class of each kind by its number. */
const classes = new Map(Object.values(kinds).map((kind) => [kind.kind.number as number, kind]));

/** An error as the native half reports it. */
export interface Failure {
  readonly number: number;
  readonly message: string;
  readonly reason?: string | null;
  readonly position?: number | null;
  readonly missing?: string | null;
  readonly details?: string | null;
}

/**
 * The caller's `AbortSignal` ended the call. `cause` is the signal's reason.
 *
 * What was handed over before may still happen: events whose publish was aborted may become
 * durable.
 */
export class AbortError extends CancelledError {
  /** Made by this package; an application has no reason to. */
  constructor(reason: unknown) {
    super('the call was aborted by its signal', { cause: reason });
    this.name = 'AbortError';
  }
}

/** The error for `failure`; `text` is the text that its position points into, if there is one. */
export function toError(failure: Failure, text?: string): MillpondError {
  const kind = classes.get(failure.number) ?? InternalError;
  const position = failure.position ?? undefined;
  const { missing, details } = failure;
  return new kind(failure.message, {
    reason: failure.reason ?? undefined,
    position: position === undefined || text === undefined ? position : index(text, position),
    missing: missing == null ? undefined : (JSON.parse(missing) as Record<string, number>),
    details: details == null ? undefined : detailsOf(kind, fromJson(details)),
  });
}

/** The details of a kind under the names that they have in JavaScript. */
function detailsOf(kind: unknown, said: Payload): unknown {
  if (kind !== OverdraftError) return said;
  const { elsewhere, ...rest } = said as { elsewhere: [string, number, boolean][] };
  const holding = ([stream, amount, isFrozen]: [string, number, boolean]): object => {
    return { stream, amount, isFrozen };
  };
  return { ...rest, elsewhere: elsewhere.map(holding) };
}

/** `error` with what caused it. */
export function causedBy<E extends Error>(error: E, cause: unknown): E {
  const own = { value: cause, configurable: true, writable: true };
  return Object.defineProperty(error, 'cause', own);
}

/**
 * Runs a call of the native half that answers at once.
 * @throws MillpondError whatever it throws, as the class of its kind; `text` as in `toError`.
 */
export function guard<T>(call: () => T, text?: string): T {
  try {
    return call();
  } catch (thrown) {
    throw caught(thrown, text);
  }
}

/** The error for something that the native half threw. */
export function caught(thrown: unknown, text?: string): MillpondError {
  if (thrown instanceof MillpondError) return thrown;
  if (typeof thrown === 'object' && thrown !== null && 'number' in thrown) {
    return toError(thrown as Failure, text);
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new InternalError(`the native half failed: ${message}`, { cause: thrown });
}

/** An argument that cannot be converted. */
export function refuse(message: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(message, { cause });
}

/** From a position in the UTF-8 form of `text` to an index into `text`. */
function index(text: string, bytePosition: number): number {
  return Buffer.from(text, 'utf8').subarray(0, bytePosition).toString('utf8').length;
}
