/** Whether the parts that requests need answer: asked on a schedule, so that /readyz costs nothing. */
import type { Logger } from '@meterhouse/runtime';
import { observe, type Metrics, type Observations } from '@meterhouse/runtime/metrics';
import type { Health } from '@meterhouse/runtime/service';

const EVERY_MS = 1_000;
const TIMEOUT_MS = 2_000;

/** @param asks by the part's name: resolves when it answers */
export function watchParts(
  asks: Readonly<Record<string, () => Promise<void>>>,
  tools: { readonly metrics: Metrics; readonly health: Health; readonly logger: Logger },
): Observations {
  const { health } = tools;
  const observations = Object.entries(asks).map(([name, ask]) => {
    health.part(name, () => 'it was not asked yet');
    return {
      name,
      everyMs: EVERY_MS,
      timeoutMs: TIMEOUT_MS,
      look: async () => {
        // Replaced only by an answer: while one is awaited, the last one holds.
        const late = setTimeout(() => health.part(name, () => 'it does not answer in time'), TIMEOUT_MS);
        try {
          await ask();
          health.part(name, () => null);
        } catch (error) {
          health.part(name, () => 'it does not answer');
          throw error;
        } finally {
          clearTimeout(late);
        }
      },
    };
  });
  return observe(observations, tools);
}
