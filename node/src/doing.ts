import { checkDeed, act, noteOf, readReport } from './account';
import type { DeedOptions, DoingOptions, ReportOptions } from './account';
import { causal } from './causal';
import type { ClaimHolder } from './claim';
import { deskOf, type Desk } from './desk';
import { ClosedError } from './error-kinds';
import { guard } from './failures';
import { native } from './native';
import type { Place } from './observer';
import type { Offsets } from './offsets';
import { bridge, operate, release } from './operations';
import {
  callOptions,
  checkOptions,
  limitsOf,
  text,
  type CallOptions,
} from './options';
import type { Payload } from './payload';
import type { Published } from './published';
import { Pulled, type Given } from './pulled';

/** Who says that it does something. */
export interface Doer {
  /** Key of the claim; the least one wins. */
  readonly key: string;
  /** The node that says so. */
  readonly node: string;
  /** What it said with it; null for nothing. */
  readonly note: Payload;
}

/** Who does something, as far as this node knows. */
export interface WhoDoes {
  /** What is done. */
  readonly what: string;
  /** Who holds the exclusive claim of this name; null when nobody does. */
  readonly holder: ClaimHolder | null;
  /** Whose optimistic claim stands and has not lost; null when nobody's does. */
  readonly winner: Doer | null;
  /** All optimistic claims that stand, the least key first. */
  readonly doers: readonly Doer[];
  /** What this was read at: an older claim may still arrive. */
  readonly asOf: Offsets;
}

/** How a claim of this node stands. */
export interface Standing {
  /** `lost`: undo what was begun, and release. It stays lost. */
  readonly standing: 'won' | 'lost' | 'released';
  /**
   * Whose claim counts: of `won` this one as it was first said, of `lost` the one it lost to, also
   * when that was released; of `released` null.
   */
  readonly winner: Pick<Doer, 'key' | 'note'> | null;
  /** What this was read at. */
  readonly asOf: Offsets;
}

/** @internal What a {@link Doing} is of: a node, or one of a lab. */
export interface DoingHalf {
  readonly what: string;
  readonly key: string;
  readonly desk: Desk;
  readonly opened: Promise<bigint>;
  /** How it stands, once that is new; nothing at the end. */
  next(handle: bigint, left: () => CallOptions): Promise<Given<Standing> | undefined>;
  /** How it stands once it has lost or is released; nothing at the end. */
  lost(limits: CallOptions): Promise<Standing | undefined>;
  /** Never throws. */
  close(handle: bigint): void;
}

/**
 * "I do this", said by this node: how that stands first, then each change. Of the claims that stand
 * the least key wins; who has lost is told so. Made by {@link Node.doOptimistically}.
 *
 * Closing it releases nothing.
 */
export class Doing extends Pulled<Standing> {
  /** What is done. */
  readonly what: string;
  /** Key of the claim. */
  readonly key: string;
  readonly #desk: Desk;
  readonly #lost: DoingHalf['lost'];

  /** @internal */
  constructor(half: DoingHalf) {
    const { opened, next, close } = half;
    super({ call: 'doing', opened, opensUntil: undefined, next, close }, {});
    this.#desk = half.desk;
    this.#lost = half.lost;
    this.what = half.what;
    this.key = half.key;
  }

  /**
   * Who has won, once this one has lost, at once if it has; undefined once it was released, closed
   * or its node was. It disturbs neither {@link Doing.next} nor another one that waits.
   * @throws TimeoutError, AbortError, StorageFailedError, CorruptError.
   */
  async lost(options?: CallOptions): Promise<Pick<Doer, 'key' | 'note'> | undefined> {
    checkOptions('doing.lost', options, callOptions);
    const told = await this.#lost(limitsOf('doing.lost', options));
    return told?.standing === 'lost' ? (told.winner ?? undefined) : undefined;
  }

  /**
   * Takes back whatever this node has said about it.
   * @throws StorageFullError, ClosedError, TimeoutError, AbortError.
   */
  release(options?: DeedOptions): Promise<Published> {
    const call = 'doing.release';
    checkDeed(call, options);
    return act(this.#desk, call, { kind: 'doing_release', name: this.what }, options);
  }
}

/** The claim of a node that a handle stands for. */
function doingOf(place: Place, what: string, handle: bigint): Doing {
  return new Doing({
    what,
    key: guard(() => native.doingKey(handle)),
    desk: deskOf(place),
    opened: Promise.resolve(handle),
    async next(doing, left) {
      const { standing } = await operate('doing', left(), (ticket, limit) =>
        bridge.doingNext(ticket, doing, limit),
      );
      return standing === undefined || standing.isEnd ? undefined : { value: read(standing) };
    },
    async lost(limits) {
      const asked = operate('doing.lost', limits, (ticket, limit) =>
        bridge.doingLost(ticket, handle, limit),
      );
      const { standing } = await asked.catch((error: unknown) => {
        // It was closed before.
        if (error instanceof ClosedError) return { standing: undefined };
        throw error;
      });
      return standing === undefined || standing.isEnd ? undefined : read(standing);
    },
    close: release,
  });
}

function read(standing: { readonly text: string }): Standing {
  return readReport<Standing>(standing.text);
}

/** @internal Says that this node does something. */
export async function say(
  place: Place,
  what: string,
  options: DoingOptions | undefined,
): Promise<Doing> {
  const call = 'doOptimistically';
  const name = text(`${call}: what`, what);
  const deed = { kind: 'doing_begin', name, ...noteOf(call, options?.note) };
  const said = causal(call, options);
  const { handle } = await operate(call, options, (ticket, limit) =>
    bridge.doOptimistically(ticket, place.handle, deed, said, limit),
  );
  return doingOf(place, name, handle as bigint);
}

/** @internal What this node has said, if that stands. */
export async function own(
  place: Place,
  what: string,
  options: CallOptions | undefined,
): Promise<Doing | undefined> {
  const call = 'ownDoing';
  const name = text(`${call}: what`, what);
  const { handle } = await operate(call, limitsOf(call, options), (ticket, limit) =>
    bridge.ownDoing(ticket, place.handle, name, limit),
  );
  return handle === undefined ? undefined : doingOf(place, name, handle);
}

/** @internal Who does something. */
export async function ask(
  desk: Desk,
  what: string,
  options: ReportOptions | undefined,
): Promise<WhoDoes> {
  const call = 'whoDoes';
  const topic = { kind: 'who_does', name: text(`${call}: what`, what) } as const;
  return readReport(await desk.report(call, topic, causal(call, options), options));
}
