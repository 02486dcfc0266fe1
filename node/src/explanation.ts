/** How a query is answered. */

/** What a query looks at. */
export interface Looks {
  /** Segments of the postings, each of up to 64 full blocks. */
  readonly segments: number;
  /** Blocks, of up to 1,024 events. */
  readonly blocks: number;
  /** Frames of blocks, of up to 64 events. */
  readonly frames: number;
  /** Events. */
  readonly events: number;
}

/** How a query is answered; made by {@link Query.explain}. */
export interface Explanation {
  /** The query, as its canonical text. */
  readonly query: string;
  /** The order of the answer. */
  readonly order: 'ascending' | 'descending' | 'stream';
  /**
   * What is looked up, as queries: each event of the answer is selected by one of these. None when
   * nothing can be.
   */
  readonly alternatives: readonly string[];
  /** False: the alternatives select more, and each event found is judged by the query. */
  readonly isExact: boolean;
  /** For the whole answer, by the index; `events` is a bound. */
  readonly expected: Looks;
  /** So far: what was opened, and the events delivered. */
  readonly actual: Looks;
  /**
   * Whether events that arrive later can take back an answer: `monotone` never, `one_way`: it moves
   * in one direction.
   */
  readonly monotonicity: 'monotone' | 'one_way' | 'not_monotone';
  /** Whether that is `monotone`. */
  readonly isMonotone: boolean;
  /** Why. */
  readonly monotoneReason: string;
  /** All of it, as lines for people. */
  readonly text: string;
}
