/** Accounts and claims of a node of a lab: what is said is done at once, in virtual time. */
import { noteOf, readReport } from './account';
import type { DoingOptions } from './account';
import { causal } from './causal';
import { accountOf, type Desk } from './desk';
import { Doing, type DoingHalf, type Standing } from './doing';
import { TimeoutError } from './error-kinds';
import { AbortError, guard, refuse } from './failures';
import type { LabHalf } from './lab-node';
import type { NativeLab } from './native';
import { within } from './operations';
import { limitsOf, type CallOptions } from './options';
import { Published } from './published';

/** An optimistic claim of a node, in the life of the node that it is listened to in. */
class Said {
  readonly #native: NativeLab;
  readonly #life: number;
  isClosed = false;
  /** What was told of it last. */
  told = '';

  constructor(
    native: NativeLab,
    readonly node: number,
    readonly what: string,
    readonly key: string,
  ) {
    this.#native = native;
    this.#life = guard(() => native.life(node));
  }

  /** Nobody listens any more: it was closed, or the process of the node has ended. */
  hasEnded(): boolean {
    const isLive = (): boolean =>
      this.#native.isUp(this.node) && this.#native.life(this.node) === this.#life;
    return this.isClosed || !guard(isLive);
  }

  standing(): Standing {
    const text = guard(() => this.#native.standing(this.node, this.what, this.key));
    return readReport<Standing>(text);
  }
}

/** @internal Who waits for the losses of a lab. */
export class LabLosses {
  readonly #native: NativeLab;
  #waiting: { said: Said; settle: (lost: Standing | undefined) => void }[] = [];

  constructor(native: NativeLab) {
    this.#native = native;
  }

  /** How a claim stands once it has lost; undefined once nobody can tell any more. */
  wait(said: Said): Promise<Standing | undefined> {
    if (said.hasEnded()) return Promise.resolve(undefined);
    return new Promise((settle) => {
      this.#waiting.push({ said, settle });
      guard(() => this.#native.tellLoss(said.node, said.what, said.key));
      this.tell();
    });
  }

  /** Tells those that have lost, in the order in which that came about, and those that ended. */
  tell(): void {
    for (;;) {
      const loss = guard(() => this.#native.nextLoss());
      if (loss === null) break;
      this.#settle(({ node, key }) => node === loss.node && key === loss.key);
    }
    this.#settle((said) => said.hasEnded() || said.standing().standing === 'released');
  }

  /** Nobody listens to this claim any more. */
  leave(said: Said): void {
    const left = this.#waiting.filter((own) => own.said === said);
    this.#waiting = this.#waiting.filter((own) => own.said !== said);
    for (const { settle } of left) settle(undefined);
  }

  #settle(isMeant: (said: Said) => boolean): void {
    const meant = this.#waiting.filter(({ said }) => isMeant(said));
    this.#waiting = this.#waiting.filter((own) => !meant.includes(own));
    for (const { said, settle } of meant) settle(said.hasEnded() ? undefined : said.standing());
  }
}

/** @internal The desk of a node of a lab. */
export class LabDesk implements Desk {
  readonly #native: NativeLab;
  readonly #losses: LabLosses;
  readonly #deed: LabHalf['deed'];
  readonly #node: number;

  constructor({ native, losses, deed }: LabHalf, node: number) {
    this.#native = native;
    this.#losses = losses;
    this.#deed = deed;
    this.#node = node;
  }

  readonly act: Desk['act'] = async (call, deed, said, options) => {
    refuseAborted(call, options);
    const published = this.#deed(this.#node, () => this.#native.act(this.#node, deed, said));
    this.#losses.tell();
    return new Published(published);
  };

  readonly report: Desk['report'] = async (call, topic, said, options) => {
    refuseAborted(call, options);
    const [lab, node] = [this.#native, this.#node];
    return guard(() => {
      if (topic.kind === 'account') return lab.accountReport(node, accountOf(topic), said);
      if (topic.kind === 'claim') return lab.claimReport(node, topic.name, said);
      return lab.whoDoes(node, topic.name, said);
    });
  };

  readonly reports: Desk['reports'] = (call) => {
    throw refuse(`${call}: a lab has no subscriptions: let time pass, and ask for a report`);
  };

  answerRequests(name: string, isWanted: boolean, reserve?: number): void {
    guard(() => this.#native.answerRequests(this.#node, name, isWanted, reserve));
  }

  handOverWhenAsked(what: string, isWanted: boolean): void {
    guard(() => this.#native.handOverWhenAsked(this.#node, what, isWanted));
  }

  /** Says that the node does something. */
  say(call: string, what: string, options: DoingOptions | undefined): Doing {
    refuseAborted(call, options);
    const deed = { kind: 'doing_begin', name: what, ...noteOf(call, options?.note) };
    const said = causal(call, options);
    const begin = (): string => this.#native.doOptimistically(this.#node, deed, said);
    return this.#doing(what, this.#deed(this.#node, begin));
  }

  /** What the node has said, if that stands. */
  own(call: string, what: string, options: CallOptions | undefined): Doing | undefined {
    refuseAborted(call, options);
    const key = guard(() => this.#native.ownDoing(this.#node, what));
    return key === null ? undefined : this.#doing(what, key);
  }

  #doing(what: string, key: string): Doing {
    const [losses, said] = [this.#losses, new Said(this.#native, this.#node, what, key)];
    const half: DoingHalf = {
      what,
      key,
      desk: this,
      opened: Promise.resolve(0n),
      next: async () => nextOf(said),
      lost: ({ signal }) => within(losses.wait(said), { signal }),
      close: () => {
        said.isClosed = true;
        losses.leave(said);
      },
    };
    return new Doing(half);
  }
}

function nextOf(said: Said): { value: Standing } | undefined {
  if (said.hasEnded()) return undefined;
  const value = said.standing();
  const told = `${value.standing} ${value.winner?.key}`;
  if (told === said.told) {
    throw new TimeoutError('nothing has changed, and a lab does not wait: let time pass');
  }
  said.told = told;
  return { value };
}

/** @internal What was aborted before it began does not begin. */
export function refuseAborted(call: string, options: CallOptions | undefined): void {
  const { signal } = limitsOf(call, options);
  if (signal?.aborted) throw new AbortError(signal.reason);
}
