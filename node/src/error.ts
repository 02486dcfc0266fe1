/**
 * The base of every error of this package, and the one that an abort rejects with.
 * The class of each kind is in `error-kinds.ts`, generated from the table that all languages share.
 */
import type { ErrorCode } from './error-kinds';

/** What belongs to one error beside its message. */
export interface ErrorDetails {
  /** A typed detail, stable for programs, such as `wrong_secret`. */
  readonly reason?: string | undefined;
  /** Where in the text that was passed in: an index into that string. */
  readonly position?: number | undefined;
  /** What the log does not cover: stream ids, and how many events of each are missing. */
  readonly missing?: Readonly<Record<string, number>> | undefined;
  /** What a program may want to know of it. */
  readonly details?: unknown;
  /** What caused it. */
  readonly cause?: unknown;
}

/** One row of the error table. */
export interface ErrorRow {
  readonly code: ErrorCode;
  readonly number: number;
  readonly retryable: boolean;
}

/**
 * Something went wrong. Every error that this package throws or rejects with is one of these;
 * use `instanceof` with the class of a kind, or compare `code`.
 */
export abstract class MillpondError extends Error {
  /** The kind's stable name, the same in every language: `query_invalid`. */
  readonly code: ErrorCode;
  /** The kind's stable number, the same in every language: 1 or more. */
  readonly number: number;
  /** True when the same call may succeed later without any change by the caller. */
  readonly retryable: boolean;
  /** A typed detail, stable for programs, such as `wrong_secret`; mostly undefined. */
  readonly reason: string | undefined;
  /** Where in the query or other text: an index into the string; mostly undefined. */
  readonly position: number | undefined;
  /**
   * Of {@link NotYetVisibleError}: the streams that the log does not cover, by id, and how many
   * events of each are missing; else undefined.
   */
  readonly missing: Readonly<Record<string, number>> | undefined;
  /** What a program may want to know of it; of {@link OverdraftError} see there. */
  readonly details: unknown;

  protected constructor(row: ErrorRow, message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = row.code;
    this.number = row.number;
    this.retryable = row.retryable;
    this.reason = details.reason;
    this.position = details.position;
    this.missing = details.missing;
    this.details = details.details;
  }
}
