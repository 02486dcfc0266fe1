/**
 * Finds and loads the native half, once per environment, and says how it is called.
 *
 * Rule: this module alone knows its form. It is loaded here only, and both the ESM and the CJS
 * entry end up in this one CommonJS module, so there is one native instance.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Looks } from './explanation';
import type { Failure } from './failures';

/** How long an operation may take, and its ticket if it can be called off under that. */
export interface NativeLimit {
  timeoutMs?: number;
  ticket?: number;
}

/** A batch of events; its form is in `batch.ts`. */
export interface NativeBatch {
  rows: Buffer;
  bytes: Buffer;
  texts: string[];
  hasTags: boolean;
  hasPayload: boolean;
  count: number;
  isEnd: boolean;
  isDurable: boolean;
  caughtUp: boolean;
  lag: number;
  position: string;
  /** Where another subscription goes on, when that is not the same. */
  resume?: string;
  isRewind: boolean;
  rewindTo?: string;
  looks: Looks;
}

/** What a fish is, without its code. */
export interface NativeFish {
  query: string;
  id?: string;
  version?: number;
  codec?: string;
  isGrowOnly?: boolean;
  hasReset?: boolean;
  fold?: string;
}

/** A state, or the end. */
export interface NativeState {
  bytes: Buffer;
  token: string;
  last?: string;
  number: number;
  isEnd: boolean;
}

/** Work for the code of a fish. */
export interface NativeJob {
  kind: 'load' | 'apply' | 'save' | 'ended';
  bytes?: Buffer;
  batch?: NativeBatch;
}

/** What code answers to a job. */
export interface NativeAnswer {
  kind: 'loaded' | 'applied' | 'saved' | 'failed';
  lastReset?: number;
  bytes?: Uint8Array;
  function?: string;
  index?: number;
  message?: string;
}

/** A step of several fish. */
export interface NativeGroupStep {
  kind: 'seeds' | 'folds' | 'states' | 'ended';
  batch?: NativeBatch;
  folds?: { fish: string; fold: bigint }[];
  states?: { fish: string; state: NativeState }[];
  number?: number;
}

/** What code made of seeds. */
export interface NativeGroupAnswer {
  made?: (NativeFish | null)[];
  index?: number;
  message?: string;
}

/** Which account: exactly the one of the id, if that is said. */
export interface NativeAccount {
  name: string;
  id?: string;
}

/** What is to be done with an account, a claim or an activity. */
export interface NativeDeed {
  kind: string;
  name: string;
  id?: string;
  amount?: number;
  floor?: number;
  shares?: { node: string; amount: number }[];
  node?: string;
  note?: Uint8Array;
  isWanted?: boolean;
  isAlone?: boolean;
}

/** What was published. */
export interface NativePublished {
  stream: string;
  firstOffset: number;
  firstLamport: number;
  count: number;
  timeMicros: number;
  token: string;
  replayed: boolean;
}

/** An operation that ended. */
export interface NativeCompletion {
  ticket: number;
  failure?: Failure;
  handle?: bigint;
  published?: NativePublished;
  batch?: NativeBatch;
  text?: string;
  fold?: bigint;
  state?: NativeState;
  job?: NativeJob;
  groupStep?: NativeGroupStep;
  standing?: { text: string; isEnd: boolean };
}

/**
 * The operations of one environment; each completes through `drain` under its ticket, unless its
 * start answers it.
 */
export interface NativeBridge {
  drain(): NativeCompletion[];
  cancel(ticket: number): void;
  sessionNew(): bigint;
  release(handle: bigint): void;
  open(ticket: number, options: object, limit: NativeLimit): void;
  close(ticket: number, node: bigint, limit: NativeLimit): void;
  publish(
    ticket: number,
    node: bigint,
    bytes: Uint8Array,
    options: object,
    limit: NativeLimit,
  ): void;
  query(ticket: number, node: bigint, text: string, options: object, limit: NativeLimit): void;
  subscribe(
    ticket: number,
    node: bigint,
    text: string,
    options: object,
    limit: NativeLimit,
  ): void;
  connect(ticket: number, node: bigint, target: string, limit: NativeLimit): void;
  disconnect(ticket: number, node: bigint, peer: string, limit: NativeLimit): void;
  setNetwork(ticket: number, node: bigint, enabled: boolean, limit: NativeLimit): void;
  setSecrets(
    ticket: number,
    node: bigint,
    current: string,
    former: string[],
    limit: NativeLimit,
  ): void;
  ticket(ticket: number, node: bigint, limit: NativeLimit): void;
  status(ticket: number, node: bigint, limit: NativeLimit): void;
  nextStatus(ticket: number, node: bigint, version: number, limit: NativeLimit): void;
  metrics(ticket: number, node: bigint, limit: NativeLimit): void;
  verify(ticket: number, node: bigint, limit: NativeLimit): void;
  compact(ticket: number, node: bigint, limit: NativeLimit): void;
  cursorNext(
    ticket: number,
    cursor: bigint,
    countMax: number | undefined,
    limit: NativeLimit,
  ): NativeCompletion | null;
  cursorExplain(ticket: number, cursor: bigint, limit: NativeLimit): void;
  queryExplain(
    ticket: number,
    node: bigint,
    query: { text: string; options: object; actual: Looks },
    limit: NativeLimit,
  ): void;
  subscriptionNext(
    ticket: number,
    subscription: bigint,
    countMax: number | undefined,
    limit: NativeLimit,
  ): NativeCompletion | null;
  waitFor(
    ticket: number,
    node: bigint,
    token: string,
    query: string | undefined,
    limit: NativeLimit,
  ): void;
  observe(
    ticket: number,
    node: bigint,
    fish: NativeFish,
    options: object,
    limit: NativeLimit,
  ): void;
  observerNext(ticket: number, observer: bigint, limit: NativeLimit): NativeCompletion | null;
  observerState(ticket: number, observer: bigint, limit: NativeLimit): void;
  observerTurn(
    ticket: number,
    observer: bigint,
    isNew: boolean,
    session: bigint | undefined,
    limit: NativeLimit,
  ): void;
  turnPublish(
    ticket: number,
    turn: bigint,
    bytes: Uint8Array,
    options: object,
    limit: NativeLimit,
  ): void;
  foldNext(
    ticket: number,
    fold: bigint,
    answer: NativeAnswer | undefined,
    limit: NativeLimit,
  ): NativeCompletion | null;
  observeGroup(
    ticket: number,
    node: bigint,
    seeds: string,
    onlyFirst: boolean,
    options: object,
    limit: NativeLimit,
  ): void;
  groupNext(
    ticket: number,
    group: bigint,
    answer: NativeGroupAnswer | undefined,
    limit: NativeLimit,
  ): NativeCompletion | null;
  act(ticket: number, node: bigint, deed: NativeDeed, options: object, limit: NativeLimit): void;
  accountReport(
    ticket: number,
    node: bigint,
    account: NativeAccount,
    options: object,
    limit: NativeLimit,
  ): void;
  nextAccountReport(
    ticket: number,
    node: bigint,
    account: NativeAccount,
    known: string | undefined,
    limit: NativeLimit,
  ): void;
  claimReport(
    ticket: number,
    node: bigint,
    what: string,
    options: object,
    limit: NativeLimit,
  ): void;
  nextClaimReport(
    ticket: number,
    node: bigint,
    what: string,
    known: string | undefined,
    limit: NativeLimit,
  ): void;
  whoDoes(
    ticket: number,
    node: bigint,
    what: string,
    options: object,
    limit: NativeLimit,
  ): void;
  doOptimistically(
    ticket: number,
    node: bigint,
    deed: NativeDeed,
    options: object,
    limit: NativeLimit,
  ): void;
  ownDoing(ticket: number, node: bigint, what: string, limit: NativeLimit): void;
  doingNext(ticket: number, doing: bigint, limit: NativeLimit): NativeCompletion | null;
  doingLost(ticket: number, doing: bigint, limit: NativeLimit): void;
}

/** A job for the code of a fish of a lab. */
export interface NativeLabJob {
  fish: number;
  owner: number;
  job: NativeJob;
}

/** What befell a lab by chance. */
export interface NativeBefall {
  number: number;
  what: string;
}

/** Looks for a smaller failure of a scenario. */
export interface NativeLabShrink {
  nextRun(): number[] | null;
  ended(befell: NativeBefall[] | undefined): void;
  summary(seed: number): string | null;
}

/** What was on the disk of a node of a lab. */
export interface NativeLabBackup {
  readonly nativeLabBackup: never;
}

/** A swarm in memory; `testing.ts` shows it. */
export interface NativeLab {
  seed(): number;
  nodeCount(): number;
  nodeId(node: number): string;
  isUp(node: number): boolean;
  timeMicros(node: number): number;
  elapsedMs(): number;
  offsets(node: number): string;
  trace(): string[];
  befell(): NativeBefall[];
  below(end: number): number;
  life(node: number): number;
  publish(
    node: number,
    life: number | undefined,
    bytes: Uint8Array,
    options: object,
  ): NativePublished;
  query(node: number, query: string, options: object): NativeBatch;
  events(query: string): NativeBatch;
  waitFor(node: number, token: string, query: string | undefined): void;
  act(node: number, deed: NativeDeed, options: object): NativePublished;
  answerRequests(node: number, name: string, isWanted: boolean, reserve?: number): void;
  handOverWhenAsked(node: number, what: string, isWanted: boolean): void;
  accountReport(node: number, account: NativeAccount, options: object): string;
  claimReport(node: number, what: string, options: object): string;
  whoDoes(node: number, what: string, options: object): string;
  doOptimistically(node: number, deed: NativeDeed, options: object): string;
  ownDoing(node: number, what: string): string | null;
  standing(node: number, what: string, key: string): string;
  tellLoss(node: number, what: string, key: string): void;
  nextLoss(): { node: number; key: string } | null;
  backUp(node: number): NativeLabBackup;
  restore(node: number, backup: NativeLabBackup): void;
  checkScarce(): void;
  abandon(): void;
  cut(groups: number[][]): void;
  heal(): void;
  crash(node: number): void;
  cutPower(node: number): void;
  start(node: number): void;
  beginAdvance(milliseconds: number): void;
  beginSettle(): void;
  beginCalm(): void;
  beginChaos(steps: number | undefined): void;
  beginState(node: number, fish: NativeFish, options: object): number | null;
  beginCheck(fish: NativeFish): number | null;
  nextJob(answer: NativeAnswer | undefined): NativeLabJob | null;
  shown(): NativeState;
}

/** The law of fish that only grow, in rounds of questions. */
export interface NativeLawCheck {
  nextQuestions(answers: Buffer[]): { state?: Buffer; event?: number; other?: Buffer }[];
}

/** Whether an answer can be taken back. */
export interface NativeMonotone {
  verdict: string;
  isMonotone: boolean;
  reason: string;
  text: string;
}

/** The exports of the native half. What fails throws a `Failure`. */
export interface Native {
  Bridge: new (ready: () => void) => NativeBridge;
  Lab: new (options: object) => NativeLab;
  LabShrink: new (befell: NativeBefall[]) => NativeLabShrink;
  LawCheck: new (fish: NativeFish, eventCount: number) => NativeLawCheck;
  lintQuery(query: string): NativeMonotone;
  lintFish(fish: NativeFish, checked: NativeLawCheck | undefined): NativeMonotone;
  labSeeds(count: number | undefined): number[];
  labWithout(): number[] | null;
  replayHint(seed: number): string;
  nodeId(node: bigint): string;
  nodeSwarmId(node: bigint): string;
  nodeStream(node: bigint): string;
  nodeIsOpen(node: bigint): boolean;
  nodeOffsets(node: bigint): string;
  nodeStats(node: bigint): string;
  cursorCompleteness(cursor: bigint): string;
  subscriptionLag(subscription: bigint): number;
  checkTimeout(timeoutMs: number | undefined): void;
  startPosition(from: string | undefined): string | null;
  offsetsParse(token: string): string;
  offsetsFromEntries(entries: { stream: string; count: number }[]): string;
  offsetsEntries(token: string): { stream: string; count: number }[];
  offsetsCount(token: string, stream: string): number;
  offsetsTotal(token: string): number;
  offsetsCovers(token: string, other: string): boolean;
  offsetsJoin(token: string, other: string): string;
  offsetsMerge(tokens: string[]): string;
  sessionToken(session: bigint): string;
  sessionSees(session: bigint, token: string): void;
  fishId(fish: NativeFish): string;
  refuseNestedEffect(): void;
  failCode(
    name: 'effect' | 'initial' | 'step' | 'encode' | 'decode' | 'grow_only',
    message: string,
  ): void;
  answerRequests(node: bigint, name: string, isWanted: boolean, reserve?: number): void;
  handOverWhenAsked(node: bigint, what: string, isWanted: boolean): void;
  doingKey(doing: bigint): string;
  fenceAdmits(highest: string | undefined, fence: string): void;
  swarmSecretNew(): string;
  swarmSecretNext(secret: string): string;
  ticketParse(text: string): { swarmId: string; nodeId: string; addresses: string[] };
  limits(): {
    nestingMax: number;
    payloadBytesMax: number;
    batchBytesMax: number;
    batchEventsMax: number;
  };
  errorTable(): string;
  version(): string;
}

/** `linux-x64-gnu`: names the optional package that carries the native half. */
function platform(): string {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === 'linux' ? `${name}-${libc()}` : name;
}

function libc(): 'gnu' | 'musl' {
  // Without the network part, whose host names are looked up one by one.
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
}

/** Where the native half is: a file that the environment names, a local build, or a package. */
function location(): string {
  const named = process.env['MILLPOND_NATIVE_LIBRARY'];
  if (named) return resolve(named);
  const local = join(__dirname, '..', 'millpond.node');
  return existsSync(local) ? local : `@millpond/node-${platform()}`;
}

function load(): Native {
  const found = location();
  try {
    return require(found) as Native;
  } catch (cause) {
    throw new Error(
      `millpond has no native half for ${platform()} (Node ${process.version}): ` +
        `${found} does not load. Install @millpond/node-${platform()} in the same version as ` +
        'millpond (npm leaves it out with --omit=optional, or when the lock file was written on ' +
        'another platform), or build it in a checkout with `npm run build:native`, or name the ' +
        'file in MILLPOND_NATIVE_LIBRARY.',
      { cause },
    );
  }
}

/** The native half. */
export const native: Native = load();
