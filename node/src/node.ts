import { withEncoded, type NewEvent } from './batch';
import { causal, causalEnd, causalOptions, openingLimits } from './causal';
import { outsideOfCode } from './code';
import { guard, refuse } from './failures';
import { native } from './native';
import { Offsets } from './offsets';
import { bridge, operate } from './operations';
import {
  callOptions,
  checkOptions,
  given,
  limitsOf,
  text,
  texts,
  truth,
  type CallOptions,
} from './options';
import type { Payload } from './payload';
import { Pond } from './pond';
import { Published } from './published';
import { publishOptions, publishingOf, type PublishOptions } from './publishing';
import { Query, type QueryOptions } from './query';
import type { Source } from './reading';
import { parse, type Compacted, type Stats, type Status, type Verified } from './status';
import { StatusSubscription } from './status-subscription';
import { Subscription, type SubscribeOptions } from './subscription';

/**
 * One installation: a key pair and a log, and its part in a swarm. It answers from what it holds,
 * with or without a network. Made by {@link open}.
 */
export class Node extends Pond implements AsyncDisposable {
  /** Its public key: 64 hex digits. */
  readonly id: string;
  /** The swarm that it belongs to: 64 hex digits. */
  readonly swarmId: string;
  /** The stream that it writes: `<node id>-<number>`. */
  readonly stream: string;
  readonly #handle: bigint;

  private constructor(handle: bigint) {
    const id = guard(() => native.nodeId(handle));
    super({ id, handle });
    this.#handle = handle;
    this.id = id;
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
   * StorageFailedError, ClosedError, NotYetVisibleError, TimeoutError, AbortError.
   */
  publish(
    events: NewEvent | readonly NewEvent[],
    options?: PublishOptions,
  ): Promise<Published> {
    outsideOfCode('publish');
    return this.#publish(events, options);
  }

  async #publish(
    events: NewEvent | readonly NewEvent[],
    options: PublishOptions | undefined,
  ): Promise<Published> {
    checkOptions('publish', options, publishOptions);
    const list = Array.isArray(events) ? (events as NewEvent[]) : [events as NewEvent];
    const publishing = publishingOf('publish', options);
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
   * beyond what is durable here, or `after` beyond what comes in time), ClosedError, CorruptError,
   * StorageFailedError, TimeoutError, AbortError.
   */
  query<P = Payload>(query: string, options?: QueryOptions): Query<P> {
    outsideOfCode('query');
    const names = [...callOptions, ...causalOptions, 'order', 'lower', 'upper', 'columns'];
    checkOptions('query', options, names);
    const checked = text('query: query', query);
    const querying = {
      ...given('query', 'order', options?.order, text),
      ...given('query', 'lower', options?.lower, Offsets.tokenOf),
      ...given('query', 'upper', options?.upper, Offsets.tokenOf),
      ...given('query', 'columns', options?.columns, texts),
    };
    const said = causal('query', options);
    const limits = limitsOf('query', options);
    const opened = operate(
      'query',
      openingLimits(said, limits),
      (ticket, limit) => {
        const all = { ...querying, ...said };
        bridge.query(ticket, this.#handle, checked, all, limit);
      },
      checked,
    );
    const source: Source = {
      call: 'query',
      opened: opened.then(({ handle }) => handle as bigint),
      opensUntil: causalEnd(said, limits.timeoutMs),
      next: (ticket, handle, max, limit) => bridge.cursorNext(ticket, handle, max, limit),
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
   * Steps reject with QueryInvalidError, InvalidArgumentError (options that do not go together),
   * NotYetVisibleError, ClosedError, CorruptError, StorageFailedError, TimeoutError, AbortError.
   */
  subscribe<P = Payload>(query: string, options?: SubscribeOptions): Subscription<P> {
    outsideOfCode('subscribe');
    const names = [...callOptions, ...causalOptions, 'from', 'delivery', 'order'];
    checkOptions('subscribe', options, names);
    const checked = text('subscribe: query', query);
    const { from } = given('subscribe', 'from', options?.from, Offsets.tokenOf);
    const { order } = given('subscribe', 'order', options?.order, text);
    const begin = guard(() => native.startPosition(from), from);
    // "Now" is the moment of this call, and that is also the position until an event comes.
    const before = begin == null ? this.offsets() : Offsets.trusted(begin);
    const said = causal('subscribe', options);
    const wanted = {
      ...(begin == null && order !== 'key' ? { from: before.token } : {}),
      ...(begin != null || order === 'key' ? given('subscribe', 'from', from, text) : {}),
      ...given('subscribe', 'delivery', options?.delivery, text),
      ...(order === undefined ? {} : { order }),
      ...said,
    };
    const limits = limitsOf('subscribe', options);
    const opened = operate(
      'subscribe',
      openingLimits(said, limits),
      (ticket, limit) => bridge.subscribe(ticket, this.#handle, checked, wanted, limit),
      checked,
    );
    const source: Source = {
      call: 'subscribe',
      opened: opened.then(({ handle }) => handle as bigint),
      opensUntil: causalEnd(said, limits.timeoutMs),
      next: (ticket, handle, max, limit) => bridge.subscriptionNext(ticket, handle, max, limit),
    };
    return new Subscription<P>(source, limits, { before, from, order });
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
   * Closes it: its sessions, its store, and its queries, subscriptions and observers, of which a
   * step that waits comes to a normal end; a call that waits for something else rejects with
   * ClosedError. A query that is asked for more later rejects with ClosedError.
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
