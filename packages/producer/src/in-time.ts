/**
 * Waits for work, but no longer than is left. What ends after that is not waited for, and its failure is
 * nobody's.
 * @returns whether it has ended
 * @throws what the work throws in time
 */
export async function inTime(work: Promise<unknown>, leftMs: number): Promise<boolean> {
  const tooLate = Promise.withResolvers<false>();
  const timer = setTimeout(() => tooLate.resolve(false), Math.max(0, leftMs));
  try {
    return await Promise.race([work.then(() => true as const), tooLate.promise]);
  } finally {
    clearTimeout(timer);
  }
}
