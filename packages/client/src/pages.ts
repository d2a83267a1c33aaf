/** Lists that come in pages, to be read from the first to the last. */

interface Page {
  readonly nextCursor: string | null;
}

/** More than anybody reads: a list that never ends is said to be one. */
const MAX_PAGES = 1_000_000;

/** @param read gets the cursor of the page; undefined for the first */
export async function* pagesOf<P extends Page>(
  read: (cursor: string | undefined) => Promise<P>,
): AsyncGenerator<P, void, undefined> {
  let cursor: string | undefined;
  for (let count = 0; count < MAX_PAGES; count++) {
    const page = await read(cursor);
    yield page;
    if (page.nextCursor === null) return;
    if (page.nextCursor === cursor)
      throw new Error('the list goes on where it began: its cursor stands still');
    cursor = page.nextCursor;
  }
  throw new Error(`the list has more than ${MAX_PAGES} pages`);
}

/**
 * One after another.
 * @param of what of a page they are
 */
export async function* itemsOf<P extends Page, T>(
  read: (cursor: string | undefined) => Promise<P>,
  of: (page: P) => readonly T[],
): AsyncGenerator<T, void, undefined> {
  for await (const page of pagesOf(read)) yield* of(page);
}
