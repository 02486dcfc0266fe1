import { ClosedError } from './error-kinds';
import type { NativeLimit } from './native';
import type { Offsets } from './offsets';
import { operate } from './operations';
import type { CallOptions } from './options';
import { Pulled } from './pulled';
import { eitherOf } from './signals';

/** @internal How reports are asked for. */
export interface ReportSource<R> {
  /** What they are called in messages: `reports`. */
  readonly call: string;
  /** Asks for one that knows of more than `known`. */
  begin(ticket: number, known: string | undefined, limit: NativeLimit): void;
  /** The report that a text says. */
  read(text: string): R;
}

/**
 * How an account or a claim stands: at once, then whenever events about it came. Not a queue:
 * changes that come while nobody asks are one. It ends when it or its node is closed. With a node
 * that was closed before, the first step rejects with ClosedError.
 */
export class Reports<R extends { readonly asOf: Offsets }> extends Pulled<R> {
  /** @internal */
  constructor(source: ReportSource<R>, options: CallOptions) {
    // Nothing but a signal ends a report that is waited for.
    const ending = new AbortController();
    let known: string | undefined;
    super(
      {
        call: source.call,
        opened: Promise.resolve(0n),
        opensUntil: undefined,
        next: async (_handle, left) => {
          const limits = left();
          const either = eitherOf(ending.signal, limits.signal);
          try {
            const { text } = await operate(
              source.call,
              { ...limits, signal: either.signal },
              (ticket, limit) => source.begin(ticket, known, limit),
            );
            const value = source.read(text as string);
            known = value.asOf.token;
            return { value };
          } catch (error) {
            if (error instanceof ClosedError && known !== undefined) return undefined;
            throw error;
          } finally {
            either.release();
          }
        },
        close: () => ending.abort(),
      },
      options,
    );
  }
}
