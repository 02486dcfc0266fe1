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
  builtin,
  fenceAdmits,
  fish,
  folds,
  monotonicity,
  newSwarmSecret,
  nextSwarmSecret,
  open,
  parseTicket,
  version,
  type Account,
  type AccountReport,
  type AllObserver,
  type BatchOptions,
  type Builtin,
  type BuiltinState,
  type CallOptions,
  type CausalOptions,
  type Claim,
  type ClaimHolder,
  type ClaimReport,
  type CodeFish,
  type Codec,
  type Compacted,
  type Completeness,
  type Damage,
  type DeedOptions,
  type DoingOptions,
  type Doer,
  type Doing,
  type Effect,
  type ErrorCode,
  type ErrorDetails,
  type Event,
  type EventBatch,
  type Explanation,
  type Fish,
  type FishOptions,
  type Fold,
  type FoldNumber,
  type FoldsTo,
  type ForkStatus,
  type Amount,
  type Holding,
  type IntegerOption,
  type KeepRunningOptions,
  type Looks,
  type Monotonicity,
  type NewAccount,
  type NewClaimOptions,
  type NewEvent,
  type Node,
  type NotedOptions,
  type ObserveOptions,
  type Observer,
  type OneObserver,
  type OpenOptions,
  type OpenRequest,
  type Overdraft,
  type Payload,
  type PayloadInput,
  type PeerRefusal,
  type PeerStatus,
  type Pond,
  type PublishOptions,
  type Published,
  type Query,
  type QueryOptions,
  type Receipt,
  type RecoverOptions,
  type Refusal,
  type ReportOptions,
  type Reports,
  type Rival,
  type RunOptions,
  type Session,
  type Standing,
  type State,
  type States,
  type Stats,
  type Status,
  type StatusSubscription,
  type StoreStatus,
  type StreamStatus,
  type SubscribeOptions,
  type Subscription,
  type TableStats,
  type TextOption,
  type TicketParts,
  type UnheardNode,
  type Verified,
  type Violation,
  type WaitOptions,
  type Wanted,
  type WhoDoes,
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
  same<string | undefined>(fork?.proofs[0]?.[1])(fork?.stream);
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

export async function states(node: Node, signal: AbortSignal): Promise<void> {
  const codec: Codec<Set<number>> = {
    name: 'set',
    encode: (all) => Uint8Array.from(all),
    decode: (bytes) => new Set(bytes),
  };
  const options: FishOptions<Set<number>, Job> = {
    id: 'jobs',
    version: 1,
    query: "FROM 'job:started'",
    initial: () => new Set(),
    step: (all, event: Event<Job>) => all.add(event.payload.job),
    isReset: (event) => event.payload.press === undefined,
    codec,
    growOnly: (left, right) => new Set([...left, ...right]),
  };
  const jobs: CodeFish<Set<number>, Job> = fish(options);
  const any: Fish<Set<number>> = jobs;
  const causal: CausalOptions = { after: node.offsets(), session: node.session() };
  const how: ObserveOptions = { ...causal, signal, timeoutMs: 500 };
  const observer: Observer<Set<number>> = node.observe(any, how);
  for await (const { state, token } of observer) {
    same<Set<number>>(state)(state);
    same<Offsets>(token)(token);
  }
  const { state, last }: State<Set<number>> = await node.state(jobs, how);
  same<string | undefined>(last)(undefined);
  // @ts-expect-error States are sets.
  state.push(1);
  // @ts-expect-error A step gives the next state.
  fish({ id: 'a', version: 1, query: '', initial: () => 0, step: () => 'text' });
  const inferred = await node.state(
    fish({ id: 'n', version: 1, query: '', initial: () => 0, step: (count) => count + 1 }),
  );
  same<number>(inferred.state)(inferred.number);

  const count: Fold<number> = folds.count();
  const sum: Fold<FoldNumber | string | null> = folds.sum('/kg');
  const both = folds.all({ count, sum });
  type Both = FoldsTo<{ count: typeof count; sum: typeof sum }>;
  const texts: TextOption = { type: 'text' };
  const integers: IntegerOption = { type: 'integer' };
  const grouped: Builtin<Readonly<Record<string, Both>>> = builtin(
    'FROM allEvents',
    folds.group({ tag: 'machine:' }, both, integers),
  );
  const shown: BuiltinState<Readonly<Record<string, Both>>> = (await node.state(grouped)).state;
  same<number | undefined>(shown.value['M-1']?.count)(shown.skipped);
  const names: Builtin<string | null> = builtin('FROM allEvents', folds.min('/name', texts));
  same<string | null>((await node.state(names)).state.value)(null);
  builtin('FROM allEvents', folds.latest<Job>()).fold satisfies Fold<Job | null>;
  const monotone: Monotonicity = monotonicity(names);
  same<boolean>(monotone.isMonotone)(monotone.verdict === 'monotone');

  const make = (seed: Event<Job>): Fish<Set<number>> | null => (seed.payload.job ? jobs : null);
  const all: AllObserver<Set<number>> = node.observeAll("FROM 'seed'", make, how);
  for await (const shown of all) {
    const { states }: States<Set<number>> = shown;
    same<Set<number> | undefined>(states.get('jobs')?.state)(undefined);
  }
  const one: OneObserver<Set<number>> = node.observeOne("FROM 'seed'", make);
  same<Set<number> | undefined>((await one.next()).value?.state)(undefined);

  const effect: Effect<Set<number>> = (state) => ({ payload: state.size });
  const run: RunOptions = { ...how, durability: 'process', idempotencyKey: 'k', expected: 1 };
  const published: Published | undefined = await node.run(jobs, effect, run);
  const keep: KeepRunningOptions<Set<number>> = { signal, cancelWhen: (all) => all.size > 3 };
  await node.keepRunning(jobs, async (): Promise<Wanted> => [], keep);
  const wait: WaitOptions = { query: 'FROM allEvents', timeoutMs: 5 };
  if (published) await node.waitFor(published.token, wait);
  await node.waitFor(Offsets.merge([node.offsets(), 'm1'] as const));
  using session: Session = node.session();
  session.sees(session.token);
  const pond: Pond = node;
  same<Observer<Set<number>>>(pond.observe(jobs))(observer);
}

export async function scarce(node: Node, signal: AbortSignal): Promise<void> {
  const reading: ReportOptions = { after: node.offsets(), signal, timeoutMs: 5 };
  const deed: DeedOptions = { ...reading, idempotencyKey: 'order 17' };
  const noted: NotedOptions = { ...deed, note: { order: 17 } };
  const steel: Account = node.account('steel');
  const begin: NewAccount = { amount: 1000, floor: 0, shares: { [node.id]: 400 } };
  const { token }: Published = await steel.create(begin, deed);
  await steel.deposit(1, noted);
  await steel.withdraw(1, noted);
  await steel.grant(node.id, 1, deed);
  await steel.request(1, deed);
  const alone: RecoverOptions = { ...deed, alone: true };
  await steel.recover(alone);
  steel.answerRequests({ reserve: 1 });
  steel.answerRequests(null);
  const report: AccountReport = await steel.report({ after: token });
  const holding: Holding | undefined = report.holdings[0];
  const request: OpenRequest | undefined = report.requests[0];
  const violation: Violation | undefined = report.violations[0];
  if (violation?.kind === 'overdrawn') same<Amount>(violation.by)(report.uncoveredCount);
  const rival: Rival | undefined = report.rivals[0];
  if (rival) await steel.withId(rival.id).withdraw(1);
  same<string | undefined>(holding?.stream)(request?.node);
  const reports: Reports<AccountReport> = steel.reports({ signal });
  for await (const { asOf } of reports) same<Offsets>(asOf)(report.asOf);

  const claim: Claim = node.claim('cell');
  const holder: NewClaimOptions = { ...deed, holder: node.id };
  await claim.create(holder);
  await claim.transfer(node.id);
  await claim.request();
  await claim.withdrawRequest();
  await claim.recover(alone);
  claim.handOverWhenAsked(true);
  const held: ClaimReport = await claim.report(reading);
  const by: ClaimHolder | null = held.holder;
  same<number | undefined>(by?.fence)(held.holders[0]?.fence);
  if (held.ownFence !== null) fenceAdmits(null, held.ownFence);
  for await (const { requests } of claim.reports()) same<number>(requests.length)(0);

  const saying: DoingOptions = { ...reading, note: { order: 17 } };
  await using doing: Doing = await node.doOptimistically('sweep', saying);
  same<string>(doing.key)(doing.what);
  const standing: Standing | undefined = (await doing.next()).value;
  same<boolean>(standing?.standing === 'lost')(true);
  const winner = await doing.lost({ signal });
  const doer: Doer | null = (await node.whoDoes('sweep')).winner;
  same<Payload | undefined>(winner?.note)(doer?.note);
  await doing.release(deed);
  const mine: Doing | undefined = await node.ownDoing('sweep');
  const who: WhoDoes = await node.whoDoes('sweep', deed);
  same<string | undefined>(who.winner?.key)(mine?.key);

  const error = new OverdraftError('none');
  const { available, elsewhere }: Overdraft = error.details;
  same<Amount>(available)(elsewhere.length);
  same<Readonly<Record<string, number>> | undefined>(new NotYetVisibleError('').missing)({});
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
