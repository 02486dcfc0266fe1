/**
 * millpond: a decentralised event log for shop floors, as a library.
 *
 * Begin with {@link open}.
 *
 * @packageDocumentation
 */
export type { EventBatch, NewEvent } from './batch';
export { Cbor } from './cbor';
export { MillpondError, type ErrorDetails } from './error';
export * from './error-kinds';
export type { Event } from './event';
export type { Explanation, Looks } from './explanation';
export { AbortError } from './failures';
export { open, type Node, type OpenOptions, type PublishOptions } from './node';
export { Offsets } from './offsets';
export type { CallOptions } from './options';
export type { Payload, PayloadInput } from './payload';
export type { Published, Receipt } from './published';
export type { Query, QueryOptions } from './query';
export type { BatchOptions } from './reading';
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
