/** How much one request for events may bring. */

export const MAX_EVENTS = 1_000;
/** Of the body as it is sent, and of what it inflates to. */
export const MAX_BODY_BYTES = 5 * 1024 * 1024;
