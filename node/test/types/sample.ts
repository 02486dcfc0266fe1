// Uses every public name, so that the compiler says when one changes. It never runs.
import {
  AbortError,
  CancelledError,
  Cbor,
  ClosedError,
  ConflictError,
  CorruptError,
  ForkedError,
  ForkedProcessError,
  FormatTooNewError,
  InternalError,
  InvalidArgumentError,
  LimitExceededError,
  MillpondError,
  NotFoundError,
  NotYetVisibleError,
  Offsets,
  OverdraftError,
  PeerMisbehavedError,
  PeerRefusedError,
  QueryInvalidError,
  StorageFailedError,
  StorageFullError,
  StoreLockedError,
  TimeoutError,
  UserCodeError,
  newSwarmSecret,
  nextSwarmSecret,
  open,
  parseTicket,
  version,
  type BatchOptions,
  type CallOptions,
  type Compacted,
  type Completeness,
  type Damage,
  type ErrorCode,
  type ErrorDetails,
  type Event,
  type EventBatch,
  type Explanation,
  type ForkStatus,
  type Looks,
  type NewEvent,
  type Node,
  type OpenOptions,
  type Payload,
  type PayloadInput,
  type PeerRefusal,
  type PeerStatus,
  type PublishOptions,
  type Published,
  type Query,
  type QueryOptions,
  type Receipt,
  type Refusal,
  type Stats,
  type Status,
  type StatusSubscription,
  type StoreStatus,
  type StreamStatus,
  type SubscribeOptions,
  type Subscription,
  type TableStats,
  type TicketParts,
  type UnheardNode,
  type Verified,
} from 'millpond';

/** Fails to compile when both are not an `A`. */
function same<A>(_left: A): (_right: A) => void {
  return () => {};
}

type Job = {
  job: number;
  press?: string;
};

export async function main(signal: AbortSignal): Promise<void> {
  const call: CallOptions = { signal, timeoutMs: 500 };
  const options: OpenOptions = { path: '/var/lib/press7', app: 'press', swarm: newSwarmSecret() };
  await using node: Node = await open({ ...options, ...call, bind: ['127.0.0.1:0'] as const });
  same<string>(node.id)(node.swarmId);

  const job: Job = { job: 42 };
  const input: PayloadInput = { bytes: new Uint8Array(1), big: 1n, list: [null, true, 'text'] };
  const drafts: readonly NewEvent[] = [{ tags: ['job:started'], payload: job }, { payload: input }];
  const how: PublishOptions = { durability: 'power', idempotencyKey: 'k', expected: 0, ...call };
  const published: Published = await node.publish(drafts, how);
  await node.publish({ payload: 1 });
  await node.publish([{ payload: new Cbor(new Uint8Array(1)) }]);
  const receipts: readonly Receipt[] = published.receipts;
  same<number | undefined>(receipts[0]?.lamport)(receipts[1]?.offset);
  const token: Offsets = published.token;
  same<boolean>(published.replayed)(token.covers(Offsets.parse(`${token}`)));
  same<[string, number][]>(token.entries())(Offsets.from([['s', 1]]).join(token).entries());

  const query: QueryOptions = { order: 'descending', lower: token, upper: token.token, ...call };
  const jobs: Query<Job> = node.query<Job>("FROM 'job:started'", query);
  const all: Event<Job>[] = await jobs.toArray(call);
  same<Job | undefined>(all[0]?.payload)(all[1]?.payload);
  const explanation: Explanation = await jobs.explain(call);
  const looks: Looks = explanation.actual;
  same<number>(looks.blocks)(explanation.expected.frames);
  same<string>(explanation.text)(explanation.order);
  node.query('FROM allEvents', { columns: ['tags'] as const });
  for await (const event of node.query('FROM allEvents')) {
    same<Payload>(event.payload)(event.payload);
    same<Uint8Array>(event.payloadBytes)(event.payloadBytes);
    same<string>(event.key)(event.stream);
    same<number>(event.lamport)(event.timeMicros);
    same<Date>(event.time)(event.time);
    same<readonly string[]>(event.tags)(event.tags);
  }

  const where: SubscribeOptions = { from: 'now', signal };
  await using jobsToCome: Subscription<Job> = node.subscribe<Job>("FROM 'job:started'", where);
  const bounded: BatchOptions = { max: 100, ...call };
  const batch: EventBatch<Job> | undefined = await jobsToCome.nextBatch(bounded);
  same<readonly Uint8Array[] | undefined>(batch?.payloadBytes)(batch?.payloadBytes);
  same<boolean | undefined>(batch?.caughtUp)(batch?.caughtUp);
  same<Offsets>(jobsToCome.position)(token);
  same<number | undefined>(jobsToCome.lag)(batch?.lag);
  for await (const some of jobs.batches(bounded)) same<EventBatch<Job>>(some)(some);
  for await (const event of jobsToCome) if (event.payload.job === 42) break;

  await node.connect(await node.ticket(), call);
  await node.disconnect(node.id);
  await node.setNetwork(false);
  await node.setSecrets(nextSwarmSecret('00'.repeat(32)), ['00'.repeat(32)]);
  const status: Status = await node.status();
  const peer: PeerStatus | undefined = status.peers[0];
  const refused: PeerRefusal | null | undefined = peer?.refused;
  const statuses: StatusSubscription = node.subscribeStatus(call);
  for await (const next of statuses) same<Status>(next)(status);
  const complete: Completeness | undefined = node.query('FROM allEvents').completeness;
  same<number | undefined>(complete?.behind[0]?.missing)(complete?.unheard[0]?.since);
  const stream: StreamStatus | undefined = status.streams[0];
  const unheard: UnheardNode | undefined = status.unheard[0];
  const fork: ForkStatus | undefined = status.forks[0];
  same<string | undefined>(fork?.branches[0])(fork?.stream);
  same<number | undefined>(fork?.offset)(unheard?.since);
  same<number | undefined>(stream?.lag)(unheard?.since);
  same<string | undefined>(refused?.message)(stream?.ahead[0]);
  const refusal: Refusal | undefined = status.refusals[0];
  const store: StoreStatus = status.store;
  same<boolean>(peer?.state === 'waiting')(peer?.state === 'idle');
  // @ts-expect-error There are five states.
  same<boolean>(peer?.state === 'asleep');
  same<number | null | undefined>(peer?.roundTripMicros)(peer?.connectedForMicros);
  same<string | undefined>(refusal?.reason)(peer?.nodeId);
  const damage: Damage | undefined = store.damages[0];
  same<number | undefined>(store.tailBytes)(damage?.first);
  const verified: Verified = await node.verify(call);
  const compacted: Compacted = await node.compact(call);
  const stats: Stats = node.stats();
  const table: TableStats | undefined = stats.tables[0];
  same<number | undefined>(verified.damageCount)(compacted.bytesAfter);
  same<number | undefined>(stats.freeBytes)(table?.rows);
  const parts: TicketParts = parseTicket(await node.ticket());
  same<string>(parts.nodeId)(version);
  await node.close({ timeoutMs: 1000 });

  // @ts-expect-error A node is opened, not constructed.
  new Node();
  // @ts-expect-error A payload is needed.
  await node.publish({ tags: ['a'] });
  // @ts-expect-error An undefined payload is none.
  await node.publish({ payload: undefined });
  // @ts-expect-error A date is no payload.
  await node.publish({ payload: { at: new Date() } });
  // @ts-expect-error There are two columns.
  node.query('FROM allEvents', { columns: ['colour'] });
  // @ts-expect-error What is encoded is a payload of its own, and part of none.
  await node.publish({ payload: [new Cbor(new Uint8Array(1))] });
  // @ts-expect-error There are two durabilities.
  await node.publish({ payload: 1 }, { durability: 'maybe' });
  // @ts-expect-error A misspelt option.
  await open({ path: '', app: '', swarn: '' });
}

export function told(error: unknown): string {
  if (!(error instanceof MillpondError)) return 'not ours';
  const code: ErrorCode = error.code;
  const { reason, position, cause } = error;
  const details: ErrorDetails = { reason, position, cause };
  same<boolean>(error.retryable)(error instanceof AbortError);
  const kinds = [
    CancelledError,
    ClosedError,
    ConflictError,
    CorruptError,
    ForkedError,
    ForkedProcessError,
    FormatTooNewError,
    InternalError,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    NotYetVisibleError,
    OverdraftError,
    PeerMisbehavedError,
    PeerRefusedError,
    QueryInvalidError,
    StorageFailedError,
    StorageFullError,
    StoreLockedError,
    TimeoutError,
    UserCodeError,
  ];
  const kind = kinds.find((kind) => error instanceof kind);
  return kind === undefined ? code : new kind(code, details).message;
}
