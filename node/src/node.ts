import { withEncoded, type NewEvent } from './batch';
import { guard, refuse } from './failures';
import { native } from './native';
import { Offsets } from './offsets';
import { bridge, operate } from './operations';
import {
  callOptions,
  checkOptions,
  describe,
  given,
  limitsOf,
  text,
  texts,
  truth,
  whole,
  type CallOptions,
} from './options';
import type { Payload } from './payload';
import { Published } from './published';
import { Query, type QueryOptions } from './query';
import type { Source } from './reading';
import { parse, type Compacted, type Stats, type Status, type Verified } from './status';
import { StatusSubscription } from './status-subscription';
import { Subscription, type SubscribeOptions } from './subscription';

/** The options of {@link open}. */
export interface OpenOptions extends CallOptions {
  /** Folder of the store; made when absent. One process at a time owns it. */
  readonly path: string;
  /** Name of the application, stamped on its events: 1 to 64 of `A–Z a–z 0–9 . _ -`. */
  readonly app: string;
  /**
   * The swarm secret, 64 hex digits, or 128 of one that took another's place; whoever holds it
   * belongs. Give this or `ticket`.
   */
  readonly swarm?: string | undefined;
  /** Secrets that it takes the place of and that still admit, too: at most 4. Default none. */
  readonly formerSecrets?: readonly string[] | undefined;
  /** A ticket of another node: names the swarm and a first peer. */
  readonly ticket?: string | undefined;
  /** False: no sockets at all. Default true. */
  readonly network?: boolean | undefined;
  /**
   * Addresses to listen on, `<ip>:<port>`, at most one of IPv4 and one of IPv6; port 0 lets the
   * system choose. Default: every interface, any port.
   */
  readonly bind?: readonly string[] | undefined;
  /** Whether to look for peers by mDNS, and where other peers say that they are. Default true. */
  readonly discovery?: boolean | undefined;
  /**
   * Peers to connect to: `<node id>@<ip>:<port>[,<ip>:<port>…]`. At most 1,024, each with 1 to 16
   * addresses.
   */
  readonly peers?: readonly string[] | undefined;
  /** When given, only these node ids are admitted. */
  readonly allow?: readonly string[] | undefined;
  /**
   * Most bytes a second sent to all peers together, on average: at least 1,000. Default 0, no cap.
   */
  readonly sendBytesPerSecondMax?: number | undefined;
  /** The same for each peer. */
  readonly sendBytesPerSecondPerPeerMax?: number | undefined;
  /**
   * A query of tags, app ids, `allEvents` and `isLocal` (the sender's own events), at most 1,024
   * bytes and 16 alternatives: when there is much to catch up with, peers first send the streams in
   * which they see such events among the next 8,192. Default: all streams take turns.
   */
  readonly priority?: string | undefined;
  /** Size of each of the two journal files, in bytes: 64 KiB at least. Default 32 MiB. */
  readonly segmentBytes?: number | undefined;
  /** Most bytes of events held in memory until they are in blocks. Default 64 MiB. */
  readonly tailBytesMax?: number | undefined;
  /** Most bytes of blocks held in memory for reading. Default 16 MiB. */
  readonly cacheBytes?: number | undefined;
  /**
   * Opens a store on a network file system, where no promise of durability holds. Default false.
   */
  readonly allowNetworkFileSystem?: boolean | undefined;
}

/** The options of {@link Node.publish}. */
export interface PublishOptions extends CallOptions {
  /**
   * `power` (the default): resolves when the events survive a power loss. `process`: resolves
   * earlier, when they survive the end of this process; queries, subscriptions and peers see them
   * once they are on disk, up to 50 ms later, and the time of one sync.
   */
  readonly durability?: 'power' | 'process' | undefined;
  /**
   * 1 to 255 bytes, as text or bytes. A retry with the same key and the same events stores nothing
   * and resolves with the first receipts.
   */
  readonly idempotencyKey?: string | Uint8Array | undefined;
  /** Publish only if this node's stream has this many events, else {@link ConflictError}. */
  readonly expected?: number | undefined;
}

/**
 * Opens the node in `path`, which is made when absent. The same process opening one path twice gets
 * two nodes over one store.
 *
 * An open node keeps the process alive only while an operation is pending. When the process or the
 * worker ends, it is closed.
 * @throws InvalidArgumentError, LimitExceededError, StoreLockedError, StorageFullError,
 * StorageFailedError, CorruptError, FormatTooNewError, TimeoutError, AbortError.
 */
export async function open(options: OpenOptions): Promise<Node> {
  const names = [...callOptions, 'path', 'app', 'swarm', 'ticket', 'network', 'bind', 'discovery'];
  names.push('formerSecrets', 'peers', 'allow', 'segmentBytes', 'tailBytesMax', 'cacheBytes');
  names.push('sendBytesPerSecondMax', 'sendBytesPerSecondPerPeerMax', 'priority');
  if (options === undefined) throw refuse('open: give the options, at least { path, app, swarm }');
  checkOptions('open', options, [...names, 'allowNetworkFileSystem']);
  const opening = {
    path: text('open: path', options.path),
    app: text('open: app', options.app),
    ...given('open', 'swarm', options.swarm, text),
    ...given('open', 'ticket', options.ticket, text),
    ...given('open', 'network', options.network, truth),
    ...given('open', 'bind', options.bind, texts),
    ...given('open', 'discovery', options.discovery, truth),
    ...given('open', 'peers', options.peers, texts),
    ...given('open', 'allow', options.allow, texts),
    ...given('open', 'formerSecrets', options.formerSecrets, texts),
    ...given('open', 'sendBytesPerSecondMax', options.sendBytesPerSecondMax, whole),
    ...given(
      'open',
      'sendBytesPerSecondPerPeerMax',
      options.sendBytesPerSecondPerPeerMax,
      whole,
    ),
    ...given('open', 'priority', options.priority, text),
    ...given('open', 'segmentBytes', options.segmentBytes, whole),
    ...given('open', 'tailBytesMax', options.tailBytesMax, whole),
    ...given('open', 'cacheBytes', options.cacheBytes, whole),
    ...given('open', 'allowNetworkFileSystem', options.allowNetworkFileSystem, truth),
  };
  // The position of an error is one in the only text of theirs that has a language.
  const { handle } = await operate(
    'open',
    options,
    (ticket, limit) => bridge.open(ticket, opening, limit),
    options.priority,
  );
  return Node.trusted(handle as bigint);
}

/**
 * One installation: a key pair and a log, and its part in a swarm. It answers from what it holds,
 * with or without a network. Made by {@link open}.
 */
export class Node implements AsyncDisposable {
  /** Its public key: 64 hex digits. */
  readonly id: string;
  /** The swarm that it belongs to: 64 hex digits. */
  readonly swarmId: string;
  /** The stream that it writes: `<node id>-<number>`. */
  readonly stream: string;
  readonly #handle: bigint;

  private constructor(handle: bigint) {
    this.#handle = handle;
    this.id = guard(() => native.nodeId(handle));
    this.swarmId = guard(() => native.nodeSwarmId(handle));
    this.stream = guard(() => native.nodeStream(handle));
  }

  /** @internal */
  static trusted(handle: bigint): Node {
    return new Node(handle);
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return guard(() => native.nodeIsOpen(this.#handle));
  }

  /**
   * Publishes one event or several together: all or none, in their order. Resolves when they are
   * durable. At most 65,536 events and 16 MiB.
   *
   * After a timeout or an abort the events may still become durable; a retry with the same
   * `idempotencyKey` stores them once.
   * @throws InvalidArgumentError, LimitExceededError, ConflictError, StorageFullError,
   * StorageFailedError, ClosedError, TimeoutError, AbortError.
   */
  async publish(
    events: NewEvent | readonly NewEvent[],
    options?: PublishOptions,
  ): Promise<Published> {
    checkOptions('publish', options, [...callOptions, 'durability', 'idempotencyKey', 'expected']);
    const list = Array.isArray(events) ? (events as NewEvent[]) : [events as NewEvent];
    const publishing = {
      ...given('publish', 'durability', options?.durability, text),
      ...given('publish', 'idempotencyKey', options?.idempotencyKey, keyBytes),
      ...given('publish', 'expected', options?.expected, whole),
    };
    const { published } = await withEncoded(list, (bytes) =>
      operate('publish', options, (ticket, limit) =>
        bridge.publish(ticket, this.#handle, bytes, publishing, limit),
      ),
    );
    if (published === undefined) throw refuse('publish: no answer');
    return new Published(published);
  }

  /**
   * The events that match `query`, in the log as it is when this starts; see docs/query.md.
   *
   * What is wrong with the query rejects the first step. `P` is what payloads are taken to be.
   * `timeoutMs` holds for each step, `signal` for all. {@link Query.explain} says how it is
   * answered, before anything is read or later.
   * @throws InvalidArgumentError an option has the wrong type. Steps reject with QueryInvalidError,
   * InvalidArgumentError (there is no such order or column), NotYetVisibleError (`upper` reaches
   * beyond what is durable here), ClosedError, CorruptError, StorageFailedError, TimeoutError,
   * AbortError.
   */
  query<P = Payload>(query: string, options?: QueryOptions): Query<P> {
    checkOptions('query', options, [...callOptions, 'order', 'lower', 'upper', 'columns']);
    const checked = text('query: query', query);
    const querying = {
      ...given('query', 'order', options?.order, text),
      ...given('query', 'lower', options?.lower, Offsets.tokenOf),
      ...given('query', 'upper', options?.upper, Offsets.tokenOf),
      ...given('query', 'columns', options?.columns, texts),
    };
    const limits = limitsOf('query', options);
    const opened = operate(
      'query',
      limits,
      (ticket, limit) => bridge.query(ticket, this.#handle, checked, querying, limit),
      checked,
    );
    const source: Source = {
      call: 'query',
      opened: opened.then(({ handle }) => handle as bigint),
      next: (ticket, handle, max, limit) => bridge.cursorNext(ticket, handle, max, limit),
      close: (handle) => native.cursorClose(handle),
    };
    return new Query<P>(source, limits, (ticket, upper, actual, limit) => {
      const again = upper === undefined ? querying : { ...querying, upper: upper.token };
      const past = { text: checked, options: again, actual };
      bridge.queryExplain(ticket, this.#handle, past, limit);
    });
  }

  /**
   * The events that match `query`, from an offset map on, then live; see {@link Subscription}.
   *
   * What is wrong with the query rejects the first step. `P` is what payloads are taken to be.
   * `timeoutMs` holds for each step, `signal` for all: when it aborts, the subscription ends with
   * an {@link AbortError}.
   * @throws InvalidArgumentError an option has the wrong type; ClosedError, with `from: 'now'`.
   * Steps reject with QueryInvalidError, ClosedError, CorruptError, StorageFailedError,
   * TimeoutError, AbortError.
   */
  subscribe<P = Payload>(query: string, options?: SubscribeOptions): Subscription<P> {
    checkOptions('subscribe', options, [...callOptions, 'from', 'delivery']);
    const checked = text('subscribe: query', query);
    const { from } = given('subscribe', 'from', options?.from, Offsets.tokenOf);
    const { delivery } = given('subscribe', 'delivery', options?.delivery, text);
    const said = guard(() => native.startPosition(from), from);
    // "Now" is the moment of this call, and that is also the position until an event comes.
    const position = said == null ? this.offsets() : Offsets.trusted(said);
    const wanted = { from: position.token, ...(delivery === undefined ? {} : { delivery }) };
    const limits = limitsOf('subscribe', options);
    const opened = operate(
      'subscribe',
      limits,
      (ticket, limit) => bridge.subscribe(ticket, this.#handle, checked, wanted, limit),
      checked,
    );
    const source: Source = {
      call: 'subscribe',
      opened: opened.then(({ handle }) => handle as bigint),
      next: (ticket, handle, max, limit) => bridge.subscriptionNext(ticket, handle, max, limit),
      close: (handle) => native.subscriptionClose(handle),
    };
    return new Subscription<P>(source, limits, position);
  }

  /**
   * Connects to a peer: a ticket, or `<node id>@<ip>:<port>[,<ip>:<port>…]` with 1 to 16
   * addresses. Resolves when a session is admitted. The address is kept and dialled again until
   * the node is closed or told to disconnect, also after a refusal or a timeout.
   * @throws InvalidArgumentError, also for a ticket of another swarm and without a network;
   * PeerRefusedError with its `reason`; LimitExceededError: it knows 1,024 other peers, connected
   * or not, so disconnect from one; CancelledError: it was told to disconnect from this one;
   * ClosedError, TimeoutError, AbortError.
   */
  async connect(target: string, options?: CallOptions): Promise<void> {
    checkOptions('connect', options, callOptions);
    const checked = text('connect: target', target);
    await operate(
      'connect',
      options,
      (ticket, limit) => bridge.connect(ticket, this.#handle, checked, limit),
      checked,
    );
  }

  /**
   * Ends the session with a peer and forgets its addresses. It may still connect to us. Does
   * nothing for a peer that is not known.
   * @throws InvalidArgumentError: it is no node id, or the node was opened without a network;
   * ClosedError, TimeoutError, AbortError.
   */
  async disconnect(nodeId: string, options?: CallOptions): Promise<void> {
    checkOptions('disconnect', options, callOptions);
    const checked = text('disconnect: nodeId', nodeId);
    await operate('disconnect', options, (ticket, limit) =>
      bridge.disconnect(ticket, this.#handle, checked, limit),
    );
  }

  /**
   * False ends all sessions, and dials and accepts nobody until true; the log goes on.
   * @throws InvalidArgumentError: the node was opened without a network, or its addresses cannot
   * be bound any more; ClosedError, TimeoutError, AbortError.
   */
  async setNetwork(enabled: boolean, options?: CallOptions): Promise<void> {
    checkOptions('setNetwork', options, callOptions);
    const checked = truth('setNetwork: enabled', enabled);
    await operate('setNetwork', options, (ticket, limit) =>
      bridge.setNetwork(ticket, this.#handle, checked, limit),
    );
  }

  /**
   * Replaces the swarm's secret without cutting anybody off: `current` for tickets, and peers that
   * hold it or one of `former` (at most 4) are admitted from now on. Sessions go on, but for those
   * of peers that have shown neither: they end with `wrong_secret`. Not kept in the store: say it
   * when the node is opened again.
   *
   * For a whole swarm: give each node what {@link nextSwarmSecret} makes, with the old secret as a
   * former one; when every peer's `secret` in the status is `current`, take the old one from each.
   * @throws InvalidArgumentError: a text is no secret, or one of another swarm; LimitExceededError:
   * more than 4 are former ones; ClosedError, TimeoutError, AbortError.
   */
  async setSecrets(
    current: string,
    former: readonly string[] = [],
    options?: CallOptions,
  ): Promise<void> {
    checkOptions('setSecrets', options, callOptions);
    const checked = text('setSecrets: current', current);
    const others = texts('setSecrets: former', former);
    await operate('setSecrets', options, (ticket, limit) =>
      bridge.setSecrets(ticket, this.#handle, checked, others, limit),
    );
  }

  /**
   * A text to paste into another node's `open` or `connect`. It holds the swarm secret.
   * @throws InvalidArgumentError: the node was opened without a network; ClosedError, TimeoutError,
   * AbortError.
   */
  async ticket(options?: CallOptions): Promise<string> {
    checkOptions('ticket', options, callOptions);
    const answer = await operate('ticket', options, (ticket, limit) =>
      bridge.ticket(ticket, this.#handle, limit),
    );
    return answer.text as string;
  }

  /**
   * What is durable here, of every stream. Of a branch, in which a stream with two histories goes
   * on, what comes before it counts, too.
   * @throws ClosedError.
   */
  offsets(): Offsets {
    return Offsets.trusted(guard(() => native.nodeOffsets(this.#handle)));
  }

  /**
   * Peers, sessions, lag, store: see docs/status.md.
   * @throws ClosedError, TimeoutError, AbortError.
   */
  async status(options?: CallOptions): Promise<Status> {
    checkOptions('status', options, callOptions);
    const answer = await operate('status', options, (ticket, limit) =>
      bridge.status(ticket, this.#handle, limit),
    );
    return parse<Status>(answer.text as string);
  }

  /**
   * A status at once, then one whenever something in it changed that matters. `timeoutMs` holds for
   * each step, `signal` for all.
   * @throws InvalidArgumentError an option has the wrong type. Steps reject with ClosedError,
   * TimeoutError, AbortError.
   */
  subscribeStatus(options?: CallOptions): StatusSubscription {
    checkOptions('subscribeStatus', options, callOptions);
    return new StatusSubscription(this.#handle, limitsOf('subscribeStatus', options));
  }

  /**
   * The node's figures for Prometheus, as text in its exposition format, version 0.0.4: serve it
   * with the content type `text/plain; version=0.0.4`. Names begin with `millpond_` and have their
   * units; what only grows ends in `_total` and begins anew when the node opens. At most 64 peers
   * have series of their own. docs/status.md names every figure.
   * @throws ClosedError, TimeoutError, AbortError.
   */
  async metrics(options?: CallOptions): Promise<string> {
    checkOptions('metrics', options, callOptions);
    const answer = await operate('metrics', options, (ticket, limit) =>
      bridge.metrics(ticket, this.#handle, limit),
    );
    return answer.text as string;
  }

  /**
   * Reads the whole store once and says what is damaged: every checksum, chain and head, and the
   * postings against the events. Damage is no error; the status shows it from then on. The node
   * goes on meanwhile. After a timeout or an abort the verification ends soon.
   * @throws StorageFailedError, ClosedError, TimeoutError, AbortError.
   */
  async verify(options?: CallOptions): Promise<Verified> {
    checkOptions('verify', options, callOptions);
    const answer = await operate('verify', options, (ticket, limit) =>
      bridge.verify(ticket, this.#handle, limit),
    );
    return parse<Verified>(answer.text as string);
  }

  /**
   * Makes the store's file of tables as small as it can be. The node goes on meanwhile; publishes
   * wait when the journal is full before the copy is done. After a timeout or an abort it is called
   * off, unless the new file was about to take its place.
   * @throws StorageFullError: there is not room for the old file and the new one;
   * StorageFailedError, CorruptError, ClosedError, TimeoutError, AbortError.
   */
  async compact(options?: CallOptions): Promise<Compacted> {
    checkOptions('compact', options, callOptions);
    const answer = await operate('compact', options, (ticket, limit) =>
      bridge.compact(ticket, this.#handle, limit),
    );
    return parse<Compacted>(answer.text as string);
  }

  /**
   * How large everything in the store is. Reads no block.
   * @throws CorruptError: a segment of the postings is damaged; StorageFailedError, ClosedError.
   */
  stats(): Stats {
    return parse<Stats>(guard(() => native.nodeStats(this.#handle)));
  }

  /**
   * Closes it: its sessions, its store, and its queries and subscriptions, of which a step that
   * waits comes to a normal end. A query that is asked for more later rejects with ClosedError.
   * As often and from wherever you like. `timeoutMs` bounds it; left out, it is 10 s.
   * @throws TimeoutError, and AbortError once it has begun: the rest ends by itself;
   * StorageFailedError: the last writes failed.
   */
  async close(options?: CallOptions): Promise<void> {
    checkOptions('close', options, callOptions);
    await operate('close', options, (ticket, limit) => bridge.close(ticket, this.#handle, limit));
  }

  /** As {@link Node.close}: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function keyBytes(name: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(text(name, value), 'utf8');
  throw refuse(`${name} must be a string or a Uint8Array, not ${describe(value)}`);
}
