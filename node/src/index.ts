/**
 * millpond: a decentralised event log for shop floors, as a library.
 *
 * Begin with {@link open}.
 *
 * @packageDocumentation
 */
export type {
  Account,
  AccountReport,
  Amount,
  DeedOptions,
  DoingOptions,
  Holding,
  NewAccount,
  NotedOptions,
  OpenRequest,
  Overdraft,
  RecoverOptions,
  ReportOptions,
  Rival,
  Violation,
} from './account';
export type { EventBatch, NewEvent } from './batch';
export type { CausalOptions, Session } from './causal';
export { Cbor } from './cbor';
export { fenceAdmits } from './claim';
export type { Claim, ClaimHolder, ClaimReport, NewClaimOptions } from './claim';
export type { Doer, Doing, Standing, WhoDoes } from './doing';
export type { Effect, Wanted } from './effects';
export { MillpondError, type ErrorDetails } from './error';
export * from './error-kinds';
export type { Event } from './event';
export type { Explanation, Looks } from './explanation';
export { AbortError } from './failures';
export { fish, monotonicity } from './fish';
export type { Codec, CodeFish, Fish, FishOptions, Monotonicity } from './fish';
export { builtin, folds } from './folds';
export type {
  Builtin,
  BuiltinState,
  Fold,
  FoldNumber,
  FoldsTo,
  IntegerOption,
  TextOption,
} from './folds';
export type { AllObserver, OneObserver, States } from './group';
export type { Node } from './node';
export type { ObserveOptions, Observer, State } from './observer';
export { Offsets } from './offsets';
export { open, type OpenOptions } from './open';
export type { CallOptions } from './options';
export type { Payload, PayloadInput } from './payload';
export type { KeepRunningOptions, Pond, RunOptions, WaitOptions } from './pond';
export type { Published, Receipt } from './published';
export type { PublishOptions } from './publishing';
export type { Query, QueryOptions } from './query';
export type { BatchOptions } from './reading';
export type { Reports } from './reports';
export { newSwarmSecret, nextSwarmSecret, parseTicket, version, type TicketParts } from './secret';
export type {
  Compacted,
  Completeness,
  Damage,
  ForkStatus,
  PeerRefusal,
  PeerStatus,
  Refusal,
  Stats,
  Status,
  StoreStatus,
  StreamStatus,
  TableStats,
  UnheardNode,
  Verified,
} from './status';
export type { StatusSubscription } from './status-subscription';
export type { SubscribeOptions, Subscription } from './subscription';
