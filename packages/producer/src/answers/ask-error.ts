/** How asking can fail. The list of codes is closed. */

export type AskErrorCode =
  /** Not a question that can be answered; `field` says what of it is wrong. */
  | 'refused'
  /** The adapter, or the reader that is configured, has no answer to this kind of question. */
  | 'unsupported'
  /** Not answered in time, or too many wait already. */
  | 'unavailable'
  /** The meter has been closed. */
  | 'closed';

export class AskError extends Error {
  readonly code: AskErrorCode;
  /** Whether asking again can succeed. */
  readonly canRetry: boolean;
  /** Of the question; set with code `refused`. */
  readonly field: string | null;

  constructor(
    code: AskErrorCode,
    message: string,
    details: { readonly field?: string | null; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'AskError';
    this.code = code;
    this.canRetry = code === 'unavailable';
    this.field = details.field ?? null;
  }
}
