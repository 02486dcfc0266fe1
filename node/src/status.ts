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
  /** How many events it holds durably, of all streams. */
  readonly events: number;
  /** The same by stream id. */
  readonly offsets: Readonly<Record<string, number>>;
  /** Where it listens: `<ip>:<port>`. */
  readonly addresses: readonly string[];
  /** The peers that it knows, connected or not. */
  readonly peers: readonly PeerStatus[];
  /** Who was refused lately, by us or by them. */
  readonly refusals: readonly Refusal[];
  /** Streams that have two different histories. */
  readonly forked: readonly string[];
  /** Streams whose newest events wait until signed heads account for their lamports. */
  readonly quarantined: readonly string[];
  /** The store on disk. */
  readonly store: StoreStatus;
}

/** One peer. */
export interface PeerStatus {
  /** Its public key. */
  readonly nodeId: string;
  /** The state of the link to it. */
  readonly state: string;
  /** Where it is dialled: `<ip>:<port>`. */
  readonly addresses: readonly string[];
  /** In µs; null while there is no session. */
  readonly roundTripMicros: number | null;
  /** Bytes received from it. */
  readonly bytesIn: number;
  /** Bytes sent to it. */
  readonly bytesOut: number;
  /** Events that it has and this node lacks. */
  readonly lag: number;
  /** Events that this node has and it lacks. */
  readonly behind: number;
  /** In µs; null while there is no session. */
  readonly connectedForMicros: number | null;
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
  readonly bytes: number;
  /** Of the journal, in bytes. */
  readonly journalBytes: number;
  /** Why it accepts nothing at present, such as a full disk; null when all is well. */
  readonly degraded: string | null;
  /** Blocks that did not check and wait to be fetched again. */
  readonly corruptBlocks: number;
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
