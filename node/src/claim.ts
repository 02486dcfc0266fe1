import {
  act,
  aloneOf,
  checkDeed,
  checkReport,
  readReport,
  type DeedOptions,
  type OpenRequest,
  type RecoverOptions,
  type ReportOptions,
  type Violation,
} from './account';
import { causal } from './causal';
import { outsideOfCode } from './code';
import type { Desk } from './desk';
import { guard } from './failures';
import { native, type NativeDeed } from './native';
import type { Offsets } from './offsets';
import {
  callOptions,
  checkOptions,
  given,
  limitsOf,
  text,
  truth,
  type CallOptions,
} from './options';
import type { Published } from './published';
import type { Reports } from './reports';

/** Who holds an exclusive claim. */
export interface ClaimHolder {
  /** The stream that holds it: `<node id>-<number>`. */
  readonly stream: string;
  /** Its node. */
  readonly node: string;
  /** Rises with each change of hands. */
  readonly fence: number;
  /** True: it cannot be handed to it, and its node may recover it. */
  readonly isFrozen: boolean;
}

/** How an exclusive claim stands, as far as this node knows. */
export interface ClaimReport {
  /** What is claimed. */
  readonly what: string;
  /** Who holds it; null when nobody does, or it was not created. */
  readonly holder: ClaimHolder | null;
  /** More than one only where a node wrote two histories. */
  readonly holders: readonly ClaimHolder[];
  /**
   * What goes with each act, when this node holds it: a word for {@link fenceAdmits}; else null.
   */
  readonly ownFence: string | null;
  /** Who asks for it, oldest first. */
  readonly requests: readonly OpenRequest[];
  /** What should not be. */
  readonly violations: readonly Violation[];
  /** Ids of other claims of the name. */
  readonly rivals: readonly string[];
  /** What this was read at. */
  readonly asOf: Offsets;
}

/** How a claim begins. */
export interface NewClaimOptions extends DeedOptions {
  /** The node that holds it first. Default: this one. */
  readonly holder?: string | undefined;
}

/**
 * An exclusive claim: whoever holds it may act, nobody else can, and its fence rises with each
 * change of hands. See docs/escrow.md. Made by {@link Node.claim}; making one reads nothing.
 *
 * Calls resolve when what they did is durable, and reject with NotFoundError with the reason
 * `not_held` when this node does not hold it, ConflictError with the reason `stream_changed` (try
 * again), StorageFullError, ClosedError, TimeoutError or AbortError, beside what they say. For what
 * ended with one of the last two see {@link DeedOptions.idempotencyKey}.
 */
export class Claim {
  /** As it was given: 1 to 200 bytes, once it is in NFC. */
  readonly what: string;
  readonly #desk: Desk;

  /** @internal */
  constructor(desk: Desk, what: string) {
    this.#desk = desk;
    this.what = what;
  }

  /**
   * Creates it.
   * @throws ConflictError with the reason `exists`.
   */
  create(options?: NewClaimOptions): Promise<Published> {
    const call = 'claim.create';
    checkDeed(call, options, ['holder']);
    return this.#act(call, options, () => {
      const { holder } = given(call, 'holder', options?.holder, text);
      return { kind: 'claim_create', ...(holder === undefined ? {} : { node: holder }) };
    });
  }

  /**
   * Hands it to another node.
   * @throws InvalidArgumentError with the reason `frozen`.
   */
  transfer(nodeId: string, options?: DeedOptions): Promise<Published> {
    const call = 'claim.transfer';
    checkDeed(call, options);
    return this.#act(call, options, () => ({
      kind: 'claim_transfer',
      node: text(`${call}: nodeId`, nodeId),
    }));
  }

  /** Asks for it; {@link Claim.reports} shows when it was handed over. */
  request(options?: DeedOptions): Promise<Published> {
    return this.#request('claim.request', true, options);
  }

  /** Does not ask for it any more. */
  withdrawRequest(options?: DeedOptions): Promise<Published> {
    return this.#request('claim.withdrawRequest', false, options);
  }

  /**
   * Takes it over from a former stream of this node: after a restored backup, or a copied disk.
   * @throws as {@link Account.recover}.
   */
  recover(options?: RecoverOptions): Promise<Published> {
    const call = 'claim.recover';
    checkDeed(call, options, ['alone']);
    return this.#act(call, options, () => ({
      kind: 'claim_recover',
      ...aloneOf(call, options?.alone),
    }));
  }

  /**
   * Whether this node hands it over by itself from now on, when another one asks for it. Not kept
   * in the store: say it when the node is opened again.
   * @throws InvalidArgumentError, LimitExceededError, ClosedError.
   */
  handOverWhenAsked(enabled: boolean): void {
    const call = 'claim.handOverWhenAsked';
    outsideOfCode(call);
    const checked = truth(`${call}: enabled`, enabled);
    this.#desk.handOverWhenAsked(this.what, checked);
  }

  /** How it stands, as far as this node knows. One that was not created has no holder. */
  async report(options?: ReportOptions): Promise<ClaimReport> {
    const call = 'claim.report';
    checkReport(call, options);
    const topic = { kind: 'claim', name: this.what } as const;
    return readReport(await this.#desk.report(call, topic, causal(call, options), options));
  }

  /**
   * How it stands, at once and then whenever events about it came. `timeoutMs` holds for each step,
   * `signal` for all.
   */
  reports(options?: CallOptions): Reports<ClaimReport> {
    const call = 'claim.reports';
    outsideOfCode(call);
    checkOptions(call, options, callOptions);
    const topic = { kind: 'claim', name: this.what } as const;
    return this.#desk.reports<ClaimReport>(call, topic, readReport, limitsOf(call, options));
  }

  #request(call: string, isWanted: boolean, options: DeedOptions | undefined): Promise<Published> {
    checkDeed(call, options);
    return this.#act(call, options, () => ({ kind: 'claim_request', isWanted }));
  }

  async #act(
    call: string,
    options: DeedOptions | undefined,
    deed: () => Omit<NativeDeed, 'name'>,
  ): Promise<Published> {
    return act(this.#desk, call, { ...deed(), name: this.what }, options);
  }
}

/**
 * For an adapter to a machine: refuses what was decided with a fence below the highest that it has
 * seen, so that who was slow, or does not know that it has handed the claim over, does no harm.
 * Keep the highest; null before the first.
 * @throws ConflictError with the reason `fenced`; InvalidArgumentError it is no fence.
 */
export function fenceAdmits(highest: string | null, fence: string): void {
  const checked = text('fenceAdmits: fence', fence);
  const seen = highest === null ? undefined : text('fenceAdmits: highest', highest);
  guard(() => native.fenceAdmits(seen, checked));
}
