/** What a node says about itself, now. */
export interface Status {
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
  /** False while it is off the network, or was opened without one. */
  readonly network: boolean;
  /** Where it listens: `<ip>:<port>`. */
  readonly addresses: readonly string[];
  /** The peers that it knows, connected or not. */
  readonly peers: readonly PeerStatus[];
  /** The last 64 refusals, by us or by them, oldest first. */
  readonly refusals: readonly Refusal[];
  /** Streams that have two different histories. */
  readonly forked: readonly string[];
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
  /** Time for a small message there and back, in µs; null while there is no session. */
  readonly roundTripMicros: number | null;
  /** Bytes received in this session. */
  readonly bytesIn: number;
  /** Bytes sent in this session. */
  readonly bytesOut: number;
  /** Events that it has and this node lacks. */
  readonly lag: number;
  /** Events that this node has and it lacks. */
  readonly behind: number;
  /** How long the session stands, in µs; null while there is none. */
  readonly connectedForMicros: number | null;
  /** How long it has been out of reach after it was in reach, in µs: a suspected partition. */
  readonly goneForMicros: number | null;
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
  /** Why it takes no events at present, such as a full disk; null when all is well. */
  readonly trouble: string | null;
  /** What was found damaged. */
  readonly damages: readonly Damage[];
}

/** A place in the log that cannot be read. */
export interface Damage {
  /** The stream. */
  readonly stream: string;
  /** The offset of an event that could not be read. */
  readonly offset: number;
  /** How it shows. */
  readonly message: string;
}

/** The status from its JSON text, whose names are in snake case. */
export function parseStatus(json: string): Status {
  return camelCase(JSON.parse(json)) as Status;
}

function camelCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCase);
  if (typeof value !== 'object' || value === null) return value;
  const pairs = Object.entries(value).map(([name, inner]) => {
    const renamed = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    // The names in `offsets` are stream ids.
    return [renamed, name === 'offsets' ? inner : camelCase(inner)];
  });
  return Object.fromEntries(pairs);
}
