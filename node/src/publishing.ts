/** The options of what publishes. */
import { causal, Session } from './causal';
import { refuse } from './failures';
import { callOptions, describe, given, text, whole, type CallOptions } from './options';

/** The options of {@link Node.publish}. */
export interface PublishOptions extends CallOptions {
  /**
   * `power` (the default): resolves when the events survive a power loss. `process`: resolves
   * earlier, when they survive the end of this process; queries, subscriptions and peers see them
   * once they are on disk, up to 50 ms later, and the time of one sync.
   */
  readonly durability?: 'power' | 'process' | undefined;
  /**
   * 1 to 255 bytes, as text or bytes. A retry with the same key and the same events stores nothing
   * and resolves with the first receipts.
   */
  readonly idempotencyKey?: string | Uint8Array | undefined;
  /** Publish only if this node's stream has this many events, else {@link ConflictError}. */
  readonly expected?: number | undefined;
  /**
   * Only once the log covers what this session has seen, for which `timeoutMs` is the bound, too
   * ({@link NotYetVisibleError}); it then has seen these events.
   */
  readonly session?: Session | undefined;
}

/** The names of these options. */
export const publishOptions = [
  ...callOptions,
  'durability',
  'idempotencyKey',
  'expected',
  'session',
] as const;

/** What they say to the native half, checked. */
export function publishingOf(call: string, options: PublishOptions | undefined): object {
  return {
    ...given(call, 'durability', options?.durability, text),
    ...given(call, 'idempotencyKey', options?.idempotencyKey, keyBytes),
    ...given(call, 'expected', options?.expected, whole),
    ...causal(call, { session: options?.session }),
  };
}

/** @internal An idempotency key as bytes. */
export function keyBytes(name: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(text(name, value), 'utf8');
  throw refuse(`${name} must be a string or a Uint8Array, not ${describe(value)}`);
}
