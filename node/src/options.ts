/** Checks that arguments have the type they must have; what they may be is the facade's to say. */
import { refuse } from './failures';

/** How long a call may take, and what ends it early. */
export interface CallOptions {
  /**
   * Aborts the call: it rejects with {@link AbortError}, whose `cause` is the signal's reason.
   * A call whose signal is aborted already does nothing.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Bounds the whole call, in milliseconds, 0 or more; it rejects with {@link TimeoutError} then.
   */
  readonly timeoutMs?: number | undefined;
}

/** The names that every call takes. */
export const callOptions = ['signal', 'timeoutMs'] as const;

/**
 * The options of a call that begins now, for each of its waits: with what is left of its timeout.
 * What no timeout can be stays as it is, to be refused.
 */
export function beginning<Options extends CallOptions>(options: Options): () => Options {
  const { timeoutMs } = options;
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0)) return () => options;
  const end = performance.now() + timeoutMs;
  return () => ({ ...options, timeoutMs: Math.max(0, end - performance.now()) });
}

/** Whether `options` are an object without a name that is not in `names`. */
export function hasOnly(options: unknown, names: readonly string[]): boolean {
  if (typeof options !== 'object' || options === null) return false;
  // Without a list of the names, as there nearly always is nothing else. What is inherited counts
  // only if it is its own, too.
  for (const name in options) {
    if (!names.includes(name) && Object.hasOwn(options, name)) return false;
  }
  return true;
}

/** Refuses options that are no object, or that hold a name which is not in `names`. */
export function checkOptions(call: string, options: unknown, names: readonly string[]): void {
  if (options === undefined || hasOnly(options, names)) return;
  if (typeof options !== 'object' || options === null) {
    throw refuse(`${call}: the options must be an object, not ${describe(options)}`);
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  throw refuse(`${call}: there is no option '${unknown}'; there are ${names.join(', ')}`);
}

/** The value, which must be well-formed text. */
export function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw refuse(`${name} must be a string, not ${describe(value)}`);
  if (!isWellFormed(value)) throw refuse(`${name} holds half of a surrogate pair`);
  return value;
}

/** The value, which must be an array of well-formed texts. */
export function texts(name: string, value: unknown): string[] {
  if (!Array.isArray(value)) {
    throw refuse(`${name} must be an array of strings, not ${describe(value)}`);
  }
  return value.map((item, index) => text(`${name}[${index}]`, item));
}

/** The value, which must be a whole number that a number holds exactly. */
export function whole(name: string, value: unknown): number {
  if (!Number.isSafeInteger(value)) {
    throw refuse(`${name} must be a whole number up to 2^53 - 1, not ${describe(value)}`);
  }
  return value as number;
}

/** The value, which must be a boolean. */
export function truth(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw refuse(`${name} must be a boolean, not ${describe(value)}`);
  return value;
}

/** The value, which must be a number. */
export function number(name: string, value: unknown): number {
  if (typeof value !== 'number') throw refuse(`${name} must be a number, not ${describe(value)}`);
  return value;
}

/** The value, which must be an abort signal. */
export function abortSignal(name: string, value: unknown): AbortSignal {
  const signal = value as AbortSignal;
  const looksRight =
    typeof value === 'object' &&
    value !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function';
  if (!looksRight) throw refuse(`${name} must be an AbortSignal, not ${describe(value)}`);
  return signal;
}

/** `{ [name]: check(value) }`, or nothing when the value was not given. */
export function given<Name extends string, T>(
  call: string,
  name: Name,
  value: unknown,
  check: (name: string, value: unknown) => T,
): { [N in Name]?: T } {
  if (value === undefined) return {};
  return { [name]: check(`${call}: ${name}`, value) } as { [N in Name]?: T };
}

/** The signal and the timeout of `options`, checked. */
export function limitsOf(call: string, options: CallOptions | undefined): CallOptions {
  return {
    ...given(call, 'signal', options?.signal, abortSignal),
    ...given(call, 'timeoutMs', options?.timeoutMs, number),
  };
}

/** What a value is, in words for a message. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value)) return 'an array';
  const name: unknown = (value as object).constructor?.name;
  return typeof name === 'string' && name !== 'Object' && name !== ''
    ? `an instance of ${name}`
    : 'an object';
}

/** Whether every surrogate in `value` is one of a pair. */
export function isWellFormed(value: string): boolean {
  return (value as string & { isWellFormed(): boolean }).isWellFormed();
}
