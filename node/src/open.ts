import { refuse } from './failures';
import { Node } from './node';
import { bridge, operate } from './operations';
import {
  callOptions,
  checkOptions,
  given,
  text,
  texts,
  truth,
  whole,
  type CallOptions,
} from './options';

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
   * Most bytes of the saved states of all fish, on disk; with 0 none is kept. Default 64 MiB.
   */
  readonly snapshotBytesMax?: number | undefined;
  /**
   * Opens a store on a network file system, where no promise of durability holds. Default false.
   */
  readonly allowNetworkFileSystem?: boolean | undefined;
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
  names.push('snapshotBytesMax');
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
    ...given('open', 'snapshotBytesMax', options.snapshotBytesMax, whole),
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
