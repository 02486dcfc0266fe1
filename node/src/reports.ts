import { ClosedError } from './error-kinds';
import type { NativeLimit } from './native';
import type { Offsets } from './offsets';
import { operate } from './operations';
import type { CallOptions } from './options';
import { Pulled } from './pulled';

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
 * changes that come while nobody asks are one. It ends when it or its node is closed.
 */
export class Reports<R extends { readonly asOf: Offsets }> extends Pulled<R> {
  /** @internal */
  constructor(source: ReportSource<R>, options: CallOptions) {
    let known: string | undefined;
    super(
      {
        call: source.call,
        opened: Promise.resolve(0n),
        opensUntil: undefined,
        next: async (_handle, left) => {
          try {
            const { text } = await operate(source.call, left(), (ticket, limit) =>
              source.begin(ticket, known, limit),
            );
            const report = source.read(text as string);
            known = report.asOf.token;
            return report;
          } catch (error) {
            if (error instanceof ClosedError) return undefined;
            throw error;
          }
        },
        close: () => {},
      },
      options,
    );
  }
}
