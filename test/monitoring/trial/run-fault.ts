/** Breaks, waits for the alerts, mends, waits until they are resolved; and notes how long each took. */
import { pause } from '@meterhouse/runtime';
import type { TrialBed } from './bed.ts';
import type { Fault } from './fault.ts';

export interface AlertOutcome {
  readonly alert: string;
  readonly fault: Fault;
  /** From the moment of breaking; null: it never fired. */
  readonly firedAfterMs: number | null;
  /** From the moment of mending; null: it was still firing at the deadline. */
  readonly clearedAfterMs: number | null;
}

export interface Deadlines {
  readonly fireMs: number;
  readonly clearMs: number;
}

const LOOK_EVERY_MS = 1_000;

export async function runFault(
  fault: Fault,
  bed: TrialBed,
  { fireMs, clearMs }: Deadlines,
  say: (line: string) => void,
): Promise<readonly AlertOutcome[]> {
  const fired = new Map<string, number>();
  const cleared = new Map<string, number>();
  const look = async (): Promise<ReadonlySet<string>> =>
    new Set(
      (await bed.prometheus.alerts())
        .filter(({ state }) => state === 'firing')
        .map(({ labels }) => labels['alertname'] ?? ''),
    );
  const until = async (deadlineMs: number, look_: () => Promise<boolean>, keep?: Fault['keepBroken']) => {
    const end = performance.now() + deadlineMs;
    while (performance.now() < end) {
      if (await look_()) return;
      await keep?.(bed);
      await pause(LOOK_EVERY_MS, new AbortController().signal);
    }
  };

  // What cannot be broken or mended is a failure of this fault; the others are tried all the same.
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      say(
        `${fault.name}: ${what} FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
  };

  say(`${fault.name}: ${fault.broken}`);
  const brokenAt = performance.now();
  await attempt('breaking', async () => {
    await fault.break(bed);
    await until(
      fireMs,
      async () => {
        const firing = await look();
        for (const alert of fault.alerts)
          if (firing.has(alert) && !fired.has(alert)) {
            fired.set(alert, performance.now() - brokenAt);
            say(`${fault.name}: ${alert} fires after ${seconds(performance.now() - brokenAt)}`);
          }
        return fault.alerts.every((alert) => fired.has(alert));
      },
      fault.keepBroken,
    );
  });
  for (const alert of fault.alerts) if (!fired.has(alert)) say(`${fault.name}: ${alert} DID NOT FIRE`);

  say(`${fault.name}: mended: ${fault.mended}`);
  const mendedAt = performance.now();
  await attempt('mending', async () => {
    await fault.mend(bed);
    await until(
      clearMs,
      async () => {
        const firing = await look();
        for (const alert of fault.alerts)
          if (!firing.has(alert) && !cleared.has(alert)) {
            cleared.set(alert, performance.now() - mendedAt);
            say(`${fault.name}: ${alert} is resolved after ${seconds(performance.now() - mendedAt)}`);
          } else if (firing.has(alert)) cleared.delete(alert);
        return fault.alerts.every((alert) => cleared.has(alert));
      },
      fault.keepMended,
    );
  });
  for (const alert of fault.alerts) if (!cleared.has(alert)) say(`${fault.name}: ${alert} STILL FIRES`);
  return fault.alerts.map((alert) => ({
    ...{ alert, fault },
    firedAfterMs: fired.get(alert) ?? null,
    // What never fired is not resolved either.
    clearedAfterMs: fired.has(alert) ? (cleared.get(alert) ?? null) : null,
  }));
}

export function seconds(ms: number | null): string {
  return ms === null ? 'never' : `${(ms / 1_000).toFixed(0)} s`;
}
