/** Who does what is said of accounts and claims: a node, or one of a lab. */
import type { DeedOptions } from './account';
import type { NativeCausal } from './causal';
import { guard } from './failures';
import { native, type NativeDeed } from './native';
import type { Place } from './observer';
import type { Offsets } from './offsets';
import { bridge, operate } from './operations';
import type { CallOptions } from './options';
import { Published } from './published';
import { Reports, type ReportSource } from './reports';

/** @internal What a report is about. */
export interface Topic {
  readonly kind: 'account' | 'claim' | 'who_does';
  readonly name: string;
  /** Exactly this account of the name. */
  readonly id?: string;
}

/** @internal Does what is said. */
export interface Desk {
  /** Does something to an account or a claim; `said` is for the native half. */
  act(
    call: string,
    deed: NativeDeed,
    said: object,
    options: DeedOptions | undefined,
  ): Promise<Published>;
  /** A report, as JSON text. */
  report(
    call: string,
    topic: Topic,
    said: NativeCausal,
    options: CallOptions | undefined,
  ): Promise<string>;
  /** A report, and then one whenever there is news. */
  reports<R extends { readonly asOf: Offsets }>(
    call: string,
    topic: Topic,
    read: (text: string) => R,
    limits: CallOptions,
  ): Reports<R>;
  answerRequests(name: string, isWanted: boolean, reserve?: number): void;
  handOverWhenAsked(what: string, isWanted: boolean): void;
}

/** @internal That of a node. */
export function deskOf(place: Place): Desk {
  const { handle } = place;
  return {
    async act(call, deed, said, options) {
      const { published } = await operate(call, options, (ticket, limit) =>
        bridge.act(ticket, handle, deed, said, limit),
      );
      return new Published(published as NonNullable<typeof published>);
    },
    async report(call, topic, said, options) {
      const { text } = await operate(call, options, (ticket, limit) => {
        if (topic.kind === 'account') {
          bridge.accountReport(ticket, handle, accountOf(topic), said, limit);
        } else if (topic.kind === 'claim') {
          bridge.claimReport(ticket, handle, topic.name, said, limit);
        } else {
          bridge.whoDoes(ticket, handle, topic.name, said, limit);
        }
      });
      return text as string;
    },
    reports(call, topic, read, limits) {
      const begin: ReportSource<never>['begin'] = (ticket, known, limit) =>
        topic.kind === 'account'
          ? bridge.nextAccountReport(ticket, handle, accountOf(topic), known, limit)
          : bridge.nextClaimReport(ticket, handle, topic.name, known, limit);
      return new Reports({ call, begin, read }, limits);
    },
    answerRequests(name, isWanted, reserve) {
      guard(() => native.answerRequests(handle, name, isWanted, reserve));
    },
    handOverWhenAsked(what, isWanted) {
      guard(() => native.handOverWhenAsked(handle, what, isWanted));
    },
  };
}

/** @internal Which account a topic means. */
export function accountOf({ name, id }: Topic): { name: string; id?: string } {
  return { name, ...(id === undefined ? {} : { id }) };
}
