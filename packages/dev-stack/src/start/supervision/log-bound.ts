/** Keeps the log of a running service from filling the disk. */
import { copyFileSync, statSync, truncateSync } from 'node:fs';

const LOOK_EVERY_MS = 5_000;
export const MAX_LOG_BYTES = 20 * 1024 * 1024;

/**
 * The service keeps its log open for appending, so the file is emptied in place; what it held stands
 * beside it as `.1`. Lines written between the copy and the cut are lost.
 * @returns how to end it
 */
export function boundLogs(
  paths: readonly string[],
  onCut: (path: string) => void,
  bounds = { maxBytes: MAX_LOG_BYTES, everyMs: LOOK_EVERY_MS },
): () => void {
  const timer = setInterval(() => {
    for (const path of paths) {
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) <= bounds.maxBytes) continue;
      copyFileSync(path, `${path}.1`);
      truncateSync(path);
      onCut(path);
    }
  }, bounds.everyMs);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
