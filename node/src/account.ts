import { causal, causalOptions, type CausalOptions } from './causal';
import { outsideOfCode } from './code';
import { LimitExceededError } from './error-kinds';
import { refuse } from './failures';
import { fromJson } from './json';
import type { NativeDeed } from './native';
import { encodeValue } from './encode';
import type { Desk, Topic } from './desk';
import { Offsets } from './offsets';
import { callOptions, checkOptions, given, limitsOf, text, truth, whole } from './options';
import type { CallOptions } from './options';
import type { PayloadInput } from './payload';
import type { Published } from './published';
import { keyBytes } from './publishing';
import type { Reports } from './reports';
import { parse } from './status';

/** The options of looking at an account or a claim. */
export interface ReportOptions extends CallOptions, CausalOptions {}

/** The options of what is done with an account or a claim. */
export interface DeedOptions extends ReportOptions {
  /**
   * 1 to 255 bytes, as text or bytes. The same call again with the same key resolves with the first
   * receipt ({@link Published.replayed}), whatever has become of the account since: so what ended
   * with TimeoutError or AbortError, and may have been done all the same, is called again.
   */
  readonly idempotencyKey?: string | Uint8Array | undefined;
}

/** The options of {@link Node.doOptimistically}. */
export interface DoingOptions extends ReportOptions {
  /** Any value, which is kept with it and never interpreted. */
  readonly note?: PayloadInput | undefined;
}

/** The options of deposits and withdrawals. */
export interface NotedOptions extends DeedOptions, DoingOptions {}

/** The options of {@link Account.recover} and {@link Claim.recover}. */
export interface RecoverOptions extends DeedOptions {
  /**
   * True: also when no other node was met since the store was opened. A person vouches that nobody
   * writes the former stream any more. Default false.
   */
  readonly alone?: boolean | undefined;
}

/** An amount that is read: a bigint beyond ±(2^53 − 1). */
export type Amount = number | bigint;

/** What an account begins with. */
export interface NewAccount {
  /** The balance, within ±(2^53 − 1). */
  readonly amount: number;
  /** What it never falls below, at most `amount`. */
  readonly floor: number;
  /**
   * The rights of other nodes, by node id: at most 1,024, together at most `amount − floor`. The
   * rest is this node's.
   */
  readonly shares?: Readonly<Record<string, number>> | undefined;
}

/** What a stream holds of an account. */
export interface Holding {
  /** The stream: `<node id>-<number>`. */
  readonly stream: string;
  /** The rights that it has left. */
  readonly amount: Amount;
  /** True: nothing is granted to it, and its node may recover what is left. */
  readonly isFrozen: boolean;
}

/** What an {@link OverdraftError} says: its `details`. */
export interface Overdraft {
  /** What was wanted. */
  readonly wanted: Amount;
  /** What this node's own stream has left. */
  readonly available: Amount;
  /** What former streams of this node hold, which it may recover. */
  readonly recoverable: Amount;
  /** Who held rights elsewhere when this node last heard, most first: at most 64. */
  readonly elsewhere: readonly Holding[];
}

/** Rights that a stream asks for. */
export interface OpenRequest {
  /** The stream that asks. */
  readonly stream: string;
  /** Its node. */
  readonly node: string;
  /** Key of the request. */
  readonly key: string;
  /** What it has not got yet. */
  readonly outstanding: Amount;
}

/** What should not be, and is shown. */
export type Violation =
  | {
      /** Something does not count; it may when what it builds on has arrived. */
      readonly kind: 'uncovered';
      /** Key of the event. */
      readonly key: string;
      /** Its position in its stream. */
      readonly offset: number;
      /** How much it is about. */
      readonly amount: Amount;
      /** How much there was. */
      readonly available: Amount;
    }
  | {
      /** The histories of a stream took more than it had. */
      readonly kind: 'overdrawn';
      /** The stream. */
      readonly stream: string;
      /** How much more. */
      readonly by: Amount;
    }
  | {
      /** A stream has as many histories as are kept; there may be more. */
      readonly kind: 'crowded';
      /** The stream. */
      readonly stream: string;
    };

/** Another account of the same name, created while nodes were cut off from each other. */
export interface Rival {
  /** Its id: 32 hex digits, for {@link Account.withId}. */
  readonly id: string;
  /** Key of its creation. */
  readonly created: string;
  /** True: it is what the name means to nodes that acted in none of them. */
  readonly isFirst: boolean;
  /** Its balance. */
  readonly balance: Amount;
  /** What this node may spend of it. */
  readonly available: Amount;
}

/** How an account stands, as far as this node knows. */
export interface AccountReport {
  /** The name. */
  readonly name: string;
  /** 32 hex digits. */
  readonly id: string;
  /** A bigint beyond ±(2^53 − 1); beyond 64 bits the nearest that has them. */
  readonly balance: Amount;
  /** What the balance never falls below. */
  readonly floor: Amount;
  /** What this node may spend at once, also while it is cut off. */
  readonly available: Amount;
  /** The stream that it spends from. */
  readonly ownStream: string;
  /** Who holds what, by stream. */
  readonly holdings: readonly (Holding & { readonly node: string })[];
  /** Who asks for rights, oldest first. */
  readonly requests: readonly OpenRequest[];
  /** What should not be. */
  readonly violations: readonly Violation[];
  /** How many withdrawals, grants and recoveries do not count. */
  readonly uncoveredCount: number;
  /** Other accounts of the name. */
  readonly rivals: readonly Rival[];
  /** What this was read at. */
  readonly asOf: Offsets;
}

const reportOptions = [...callOptions, ...causalOptions];
const deedOptions = [...reportOptions, 'idempotencyKey'];

/** @internal Does something with an account or a claim. */
export async function act(
  desk: Desk,
  call: string,
  deed: NativeDeed,
  options: DeedOptions | undefined,
): Promise<Published> {
  const key = given(call, 'idempotencyKey', options?.idempotencyKey, keyBytes);
  const said = { ...causal(call, options), ...key };
  return desk.act(call, deed, said, options);
}

/** @internal The options of a look, checked. */
export function checkReport(call: string, options: unknown, names: readonly string[] = []): void {
  outsideOfCode(call);
  checkOptions(call, options, [...reportOptions, ...names]);
}

/** @internal The options of a deed, checked. */
export function checkDeed(call: string, options: unknown, names: readonly string[] = []): void {
  outsideOfCode(call);
  checkOptions(call, options, [...deedOptions, ...names]);
}

/** @internal The note of a deed as the bytes of a value. */
export function noteOf(call: string, note: unknown): { note?: Uint8Array } {
  return note === undefined ? {} : { note: encodeValue(note, `${call}: note`) };
}

/** @internal A report from its text. */
export function readReport<R>(json: string): R {
  const { asOf, ...rest } = parse<{ asOf: string }>(json, fromJson);
  return { ...rest, asOf: Offsets.trusted(asOf) } as R;
}

/**
 * An escrow account: a quantity with a floor, divided into rights among nodes. Each spends only its
 * own, at once, also while it is cut off; so the floor holds in every partition. Rights move by
 * grants and requests. See docs/escrow.md. Made by {@link Node.account}; making one reads nothing,
 * and says nothing about whether it exists.
 *
 * Every call resolves when what it did is durable, and rejects with NotFoundError when no such
 * account is known here (but for {@link Account.create}), ConflictError with the reason
 * `stream_changed` (try again), LimitExceededError (an amount above 2^53 − 1), StorageFullError,
 * ClosedError, TimeoutError or AbortError, beside what it says. After the last two it may have been
 * done all the same: with {@link DeedOptions.idempotencyKey} it is safe to call again. Amounts are
 * whole numbers from 1 on.
 */
export class Account {
  /** As it was given: 1 to 200 bytes, once it is in NFC. */
  readonly name: string;
  readonly #desk: Desk;
  readonly #id: string | undefined;

  /** @internal */
  constructor(desk: Desk, name: string, id?: string) {
    this.#desk = desk;
    this.name = name;
    this.#id = id;
  }

  /** Means exactly the account of this id, one of {@link AccountReport.rivals}, never another. */
  withId(id: string): Account {
    return new Account(this.#desk, this.name, text('account.withId: id', id));
  }

  /**
   * Creates it: once, where the thing is. Two nodes that create one name while they are cut off
   * from each other make two accounts.
   * @throws InvalidArgumentError the floor or the shares do not fit the amount; ConflictError with
   * the reason `exists`.
   */
  create(account: NewAccount, options?: DeedOptions): Promise<Published> {
    const call = 'account.create';
    checkDeed(call, options);
    checkOptions(call, account, ['amount', 'floor', 'shares']);
    if (this.#id !== undefined) throw refuse(`${call}: an account that has an id exists already`);
    return this.#act(call, options, () => ({
      kind: 'account_create',
      amount: amountOf(`${call}: amount`, account.amount),
      floor: amountOf(`${call}: floor`, account.floor),
      ...given(call, 'shares', account.shares, shares),
    }));
  }

  /** Raises the balance; the rights to it are this node's. */
  deposit(amount: number, options?: NotedOptions): Promise<Published> {
    return this.#noted('deposit', amount, options);
  }

  /**
   * Spends rights that this node holds.
   * @throws OverdraftError it has not got so many: decided at once, and nothing was spent. Its
   * `details` say what is available here and who holds the rest.
   */
  withdraw(amount: number, options?: NotedOptions): Promise<Published> {
    return this.#noted('withdraw', amount, options);
  }

  /**
   * Gives rights of this node to another one.
   * @throws OverdraftError it has not got so many; InvalidArgumentError with the reason `frozen`:
   * that is this node itself, or its stream is frozen.
   */
  grant(nodeId: string, amount: number, options?: DeedOptions): Promise<Published> {
    const call = 'account.grant';
    checkDeed(call, options);
    return this.#act(call, options, () => ({
      kind: 'account_grant',
      node: text(`${call}: nodeId`, nodeId),
      amount: amountOf(`${call}: amount`, amount),
    }));
  }

  /**
   * Asks all nodes for so many rights, in place of what was asked before; 0 takes that back. Nodes
   * answer as {@link Account.answerRequests} told them to; {@link Account.reports} shows when they
   * have.
   */
  request(amount: number, options?: DeedOptions): Promise<Published> {
    const call = 'account.request';
    checkDeed(call, options);
    return this.#act(call, options, () => ({
      kind: 'account_request',
      amount: amountOf(`${call}: amount`, amount),
    }));
  }

  /**
   * Takes over what former streams of this node have left: after a restored backup, or a copied
   * disk. Only a person can know that no copy still writes them.
   * @throws NotFoundError none has anything left; ConflictError with the reason `under_way`: try
   * again; NotYetVisibleError: more of the former stream is known and not here yet, or, with the
   * reason `nobody_met`, no other node was met since the store was opened.
   */
  recover(options?: RecoverOptions): Promise<Published> {
    const call = 'account.recover';
    checkDeed(call, options, ['alone']);
    return this.#act(call, options, () => ({
      kind: 'account_recover',
      ...aloneOf(call, options?.alone),
    }));
  }

  /**
   * From now on this node answers requests for rights by itself, with what it has above `reserve`
   * (default 0); null ends that. It is for all accounts of the name. Not kept in the store: say it
   * when the node is opened again.
   * @throws InvalidArgumentError, LimitExceededError, ClosedError.
   */
  answerRequests(policy: { readonly reserve?: number | undefined } | null): void {
    const call = 'account.answerRequests';
    outsideOfCode(call);
    if (policy === null) return this.#desk.answerRequests(this.name, false);
    checkOptions(call, policy, ['reserve']);
    const { reserve } = given(call, 'reserve', policy?.reserve, whole);
    this.#desk.answerRequests(this.name, true, reserve);
  }

  /** How it stands, as far as this node knows. */
  async report(options?: ReportOptions): Promise<AccountReport> {
    const call = 'account.report';
    checkReport(call, options);
    const said = causal(call, options);
    return readReport(await this.#desk.report(call, this.#topic(), said, options));
  }

  /**
   * How it stands, at once and then whenever events about it came. `timeoutMs` holds for each step,
   * `signal` for all. The first step rejects with NotFoundError while it is not known here.
   */
  reports(options?: CallOptions): Reports<AccountReport> {
    const call = 'account.reports';
    outsideOfCode(call);
    checkOptions(call, options, callOptions);
    const limits = limitsOf(call, options);
    return this.#desk.reports<AccountReport>(call, this.#topic(), readReport, limits);
  }

  #noted(
    deed: 'deposit' | 'withdraw',
    amount: number,
    options: NotedOptions | undefined,
  ): Promise<Published> {
    const call = `account.${deed}`;
    checkDeed(call, options, ['note']);
    return this.#act(call, options, () => ({
      kind: `account_${deed}`,
      amount: amountOf(`${call}: amount`, amount),
      ...noteOf(call, options?.note),
    }));
  }

  async #act(
    call: string,
    options: DeedOptions | undefined,
    deed: () => Omit<NativeDeed, 'name' | 'id'>,
  ): Promise<Published> {
    const { kind: _, ...meant } = this.#topic();
    return act(this.#desk, call, { ...deed(), ...meant }, options);
  }

  #topic(): Topic {
    const topic = { kind: 'account', name: this.name } as const;
    return this.#id === undefined ? topic : { ...topic, id: this.#id };
  }
}

/** @internal Whether a recovery goes ahead when nobody was met. */
export function aloneOf(call: string, alone: unknown): { isAlone?: boolean } {
  const said = given(call, 'alone', alone, truth);
  return said.alone === undefined ? {} : { isAlone: said.alone };
}

/** A whole number, of which one that a number may not hold exactly is beyond the limit. */
function amountOf(name: string, value: unknown): number {
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return whole(name, value);
  throw new LimitExceededError(`${name} is ${String(value)}; the most is 2^53 - 1`);
}

function shares(name: string, value: unknown): { node: string; amount: number }[] {
  checkOptions(name, value, Object.keys(Object(value) as object));
  return Object.entries(value as object).map(([node, amount]) => {
    return { node, amount: amountOf(`${name}[${JSON.stringify(node)}]`, amount) };
  });
}
