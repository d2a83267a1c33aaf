/** While usage is recorded the group must hear of us: a record may take longer than the session lasts. */

/** Resolves when the work is done; what a heartbeat failed with is thrown then, as if the handler had called it. */
export async function keepAlive(
  work: Promise<void>,
  heartbeat: () => Promise<void>,
  everyMs: number,
): Promise<void> {
  const beats: { failed: unknown } = { failed: null };
  let beating = false;
  const timer = setInterval(() => {
    if (beating) return;
    beating = true;
    heartbeat()
      .catch((error: unknown) => {
        beats.failed ??= error;
      })
      .finally(() => {
        beating = false;
      });
  }, everyMs);
  timer.unref();
  try {
    await work;
  } finally {
    clearInterval(timer);
  }
  if (beats.failed !== null) throw beats.failed as Error;
}
