import type { Offsets } from './offsets';

/** What a node says about itself, now. */
export interface Status {
  /** Another one after each change of what a status subscription tells. */
  readonly version: number;
  /** The node's public key. */
  readonly nodeId: string;
  /** The swarm that it belongs to. */
  readonly swarmId: string;
  /** Folder of the store. */
  readonly path: string;
  /** The stream that it writes. */
  readonly stream: string;
  /** How many events are durable here, of all streams. */
  readonly events: number;
  /** The same by stream id. */
  readonly offsets: Readonly<Record<string, number>>;
  /**
   * Events that signed heads account for and that are not here yet. A node that is cut off can show
   * 0: what it does not know of is not counted.
   */
  readonly lag: number;
  /** Every stream that is held or known of. */
  readonly streams: readonly StreamStatus[];
  /** False while it is off the network, or was opened without one. */
  readonly network: boolean;
  /** Where it listens: `<ip>:<port>`. */
  readonly addresses: readonly string[];
  /** The peers that it knows, connected or not. */
  readonly peers: readonly PeerStatus[];
  /** The last 64 refusals, by us or by them, oldest first. */
  readonly refusals: readonly Refusal[];
  /** Nodes that were heard of and are not in reach now: suspected partitions. */
  readonly unheard: readonly UnheardNode[];
  /** Streams that have two different histories. */
  readonly forked: readonly string[];
  /** The same with the branches in which they go on. */
  readonly forks: readonly ForkStatus[];
  /** Streams that have more histories than the 16 that are kept: what is beyond does not sync. */
  readonly crowded: readonly string[];
  /** Streams whose newest events wait until signed heads account for their lamports. */
  readonly quarantined: readonly string[];
  /** Streams written by a newer millpond, which stay as they are until this node is upgraded. */
  readonly tooNew: readonly string[];
  /** The store on disk. */
  readonly store: StoreStatus;
}

/** One peer. */
export interface PeerStatus {
  /** Its public key. */
  readonly nodeId: string;
  /**
   * `connected`, `greeting` (not admitted yet), `dialing`, `waiting` (for the next dial) or `idle`
   * (it may connect to us).
   */
  readonly state: 'connected' | 'greeting' | 'dialing' | 'waiting' | 'idle';
  /** Where it is dialled: `<ip>:<port>`. */
  readonly addresses: readonly string[];
  /** True when a person, a ticket or the options named it. */
  readonly named: boolean;
  /** True when discovery sees it now. */
  readonly discovered: boolean;
  /** True when other peers told where it is. */
  readonly learned: boolean;
  /** Time for a small message there and back, in µs; null while there is no session. */
  readonly roundTripMicros: number | null;
  /** Bytes received in this session. */
  readonly bytesIn: number;
  /** Bytes sent in this session. */
  readonly bytesOut: number;
  /** Bytes received in all its sessions since the node opened. */
  readonly totalBytesIn: number;
  /** Bytes sent in all its sessions since the node opened. */
  readonly totalBytesOut: number;
  /** Events that it has and this node lacks. */
  readonly lag: number;
  /** Events that this node has and it lacks. */
  readonly behind: number;
  /** How long the session stands, in µs; null while there is none. */
  readonly connectedForMicros: number | null;
  /**
   * Which of this node's secrets it has shown that it holds: the current one, or only a former one;
   * null while there is no session.
   */
  readonly secret: 'current' | 'former' | null;
  /** How long it has been out of reach after it was in reach, in µs: a suspected partition. */
  readonly goneForMicros: number | null;
  /**
   * How long it has been dialled in vain, in µs; null while there is a session or nothing to dial.
   */
  readonly tryingForMicros: number | null;
  /** How long ago it was last heard in a session, in µs; null when there was none. */
  readonly lastContactMicros: number | null;
  /** Why the last attempt was refused, until a session comes about. */
  readonly refused: PeerRefusal | null;
}

/** Why the last attempt at a session was refused. */
export interface PeerRefusal {
  /** The typed reason, such as `wrong_secret`. */
  readonly reason: string;
  /** The same as a sentence. */
  readonly message: string;
  /** True when this node refused, false when the peer did. */
  readonly byUs: boolean;
  /** How long ago, in µs. */
  readonly agoMicros: number;
}

/** A stream with two different histories, as after a restored backup or a cloned disk. */
export interface ForkStatus {
  /** Which: `<node id>-<number>`. It ends before `offset`. */
  readonly stream: string;
  /** The offset of the first event that differs. */
  readonly offset: number;
  /** The streams in which its histories go on from there, at the same offsets. */
  readonly branches: readonly string[];
  /**
   * For each of them, in the same order, the proof that its author signed two histories: two signed
   * heads of different ones beyond `offset`, in the bytes of docs/format.md, 304 hex digits each.
   */
  readonly proofs: readonly (readonly [string, string])[];
}

/** One stream. */
export interface StreamStatus {
  /** Which. */
  readonly stream: string;
  /** How many events of it are durable here; of a branch what comes before it counts, too. */
  readonly held: number;
  /** How many are signed for, as far as is known. */
  readonly known: number;
  /** The difference. */
  readonly lag: number;
  /** Connected peers that say they have more of it than is held here. */
  readonly ahead: readonly string[];
}

/**
 * A node that was heard of and is not in reach: neither connected nor in the list of a connected
 * peer. It was heard of as a peer, in such a list, or as the author of events, which count when
 * they come here, by whatever way and however old they are.
 */
export interface UnheardNode {
  /** Which. */
  readonly nodeId: string;
  /**
   * Since when, in µs since 1970 UTC, by this node's clock; when its store was opened, if that is
   * not known.
   */
  readonly since: number;
  /** How long ago that is, in µs. */
  readonly agoMicros: number;
}

/** One refusal. */
export interface Refusal {
  /** The peer. */
  readonly nodeId: string;
  /** The typed reason, such as `wrong_secret`. */
  readonly reason: string;
  /** True when this node refused, false when the peer did. */
  readonly byUs: boolean;
}

/** The store on disk. */
export interface StoreStatus {
  /** Of blocks and indexes, in bytes. */
  readonly tableBytes: number;
  /** Of events that are not in blocks yet, in bytes. */
  readonly tailBytes: number;
  /** Of the files of the journal, in bytes. */
  readonly journalBytes: number;
  /** What the file system has left, in bytes; null when it does not say. */
  readonly freeBytes: number | null;
  /**
   * True when the last commit found no room on the disk, so that publishes are refused until one
   * succeeds.
   */
  readonly full: boolean;
  /** Why it takes no events at present, such as a full disk; null when all is well. */
  readonly trouble: string | null;
  /** What was found damaged. */
  readonly damages: readonly Damage[];
}

/** A place in the store that does not hold what was written there. */
export interface Damage {
  /** The table it is in, as docs/format.md names it, or `journal` or `pages`. */
  readonly table: string;
  /** The stream; null where the place belongs to no single one. */
  readonly stream: string | null;
  /**
   * Where what is lost begins: in `events` an offset, in `heads` and `streams` a number of events,
   * in `postings` the number of a segment, in `journal` the index of a record.
   */
  readonly first: number;
  /** Where it ends, counted like `first` and not included. */
  readonly end: number;
  /** How it shows. */
  readonly message: string;
}

/**
 * What an answer holds and lacks, as known when it was asked for. What no signed head accounts for
 * and no missing node is known to have written cannot be named.
 */
export interface Completeness {
  /** How many events of each stream it is read over. */
  readonly offsets: Offsets;
  /** Streams of which more is signed for than that, and how many events are missing. */
  readonly behind: readonly { readonly stream: string; readonly missing: number }[];
  /**
   * Nodes that were heard of and not in reach, and since when, in µs since 1970 UTC: what they
   * wrote since then may be missing.
   */
  readonly unheard: readonly { readonly nodeId: string; readonly since: number }[];
}

/** What a verification went through, and what it found. */
export interface Verified {
  /** Number of streams. */
  readonly streams: number;
  /** Number of blocks in the tables, open ones included. */
  readonly blocks: number;
  /** Number of events read. */
  readonly events: number;
  /** Bytes of their records. */
  readonly recordBytes: number;
  /** Bytes read from tables and journal. */
  readonly storedBytes: number;
  /** Number of damaged places. */
  readonly damageCount: number;
  /** The first 1,024 of them. */
  readonly damages: readonly Damage[];
}

/** What a compaction did to the file of tables. */
export interface Compacted {
  /** Its bytes before. */
  readonly bytesBefore: number;
  /** Its bytes after. */
  readonly bytesAfter: number;
}

/** How large everything in the store is. */
export interface Stats {
  /** Number of streams. */
  readonly streams: number;
  /** Number of events, durable. */
  readonly events: number;
  /** Bytes of their records. */
  readonly recordBytes: number;
  /** Number of full blocks. */
  readonly fullBlocks: number;
  /** Number of open blocks in the tables. */
  readonly openBlocks: number;
  /** Number of segments of the postings. */
  readonly segments: number;
  /** Number of idempotency keys that are remembered. */
  readonly idempotencyKeys: number;
  /** The tables. */
  readonly tables: readonly TableStats[];
  /** Bytes of the file of tables. */
  readonly fileBytes: number;
  /** Bytes of it that hold nothing now; a compaction gives them back. */
  readonly freeBytes: number;
  /** Bytes of one of its pages. */
  readonly pageBytes: number;
  /** Bytes of the files of the journal. */
  readonly journalBytes: number;
  /** Bytes of memory of events that are only in the journal. */
  readonly tailBytes: number;
  /** Bytes of memory of what is kept for readers, about. */
  readonly cacheBytes: number;
  /** Most bytes of decoded blocks that are kept. */
  readonly cacheBytesMax: number;
}

/** The size of one table. */
export interface TableStats {
  /** Its name in docs/format.md. */
  readonly name: string;
  /** Number of rows. */
  readonly rows: number;
  /** Bytes of its pages. */
  readonly bytes: number;
}

/** What a node says of itself, from its JSON text, whose names are in snake case. */
export function parse<T>(json: string, read: (json: string) => unknown = JSON.parse): T {
  return camelCase(read(json)) as T;
}

function camelCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCase);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return value;
  const pairs = Object.entries(value).map(([name, inner]) => {
    const renamed = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    // The names in `offsets` are stream ids, those in a note its author's.
    return [renamed, name === 'offsets' || name === 'note' ? inner : camelCase(inner)];
  });
  return Object.fromEntries(pairs);
}
