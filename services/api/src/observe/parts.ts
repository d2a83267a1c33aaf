/** Whether the parts that requests need answer: asked on a schedule, so that /readyz costs nothing. */
import type { Logger } from '@meterhouse/runtime';
import { observe, type Metrics, type Observations } from '@meterhouse/runtime/metrics';
import type { Health } from '@meterhouse/runtime/service';

const EVERY_MS = 1_000;
const TIMEOUT_MS = 2_000;

export interface WatchedPart {
  /** Resolves when it answers. */
  readonly ask: () => Promise<void>;
  /** Without another, most requests can be served, and those that cannot say so themselves. */
  readonly required: boolean;
}

/** @param parts by their names */
export function watchParts(
  parts: Readonly<Record<string, WatchedPart>>,
  tools: { readonly metrics: Metrics; readonly health: Health; readonly logger: Logger },
): Observations {
  const { health } = tools;
  const observations = Object.entries(parts).map(([name, { ask, required }]) => {
    const say = (whyNot: string | null): void => health.part(name, () => whyNot, { required });
    say('it was not asked yet');
    return {
      name,
      everyMs: EVERY_MS,
      timeoutMs: TIMEOUT_MS,
      look: async () => {
        // Replaced only by an answer: while one is awaited, the last one holds.
        const late = setTimeout(() => say('it does not answer in time'), TIMEOUT_MS);
        try {
          await ask();
          say(null);
        } catch (error) {
          say('it does not answer');
          throw error;
        } finally {
          clearTimeout(late);
        }
      },
    };
  });
  return observe(observations, tools);
}
