/**
 * Guarantee of meters with a spool, two at a time in one folder, whatever is called in whatever order, whatever
 * the transport does, and however often they are closed and opened again: no call throws, the counters
 * balance at every moment, and in the end every event that was taken has arrived, or lies where a person
 * finds it because the receiver refuses it for good.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { waitFor } from '@meterhouse/runtime';
import type { UsageEvent } from '@meterhouse/usage';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MeterCounters } from '../counters.ts';
import { createMeter } from '../create-meter.ts';
import { MeterError } from '../errors.ts';
import type { Meter } from '../meter.ts';
import { overTransport } from '../own-adapter.ts';
import { TransportError } from '../transport.ts';
import { SpoolFile } from './spool-file.ts';
import { spoolFilesIn } from './spool-folder.ts';

const FATES = ['arrives', 'is away', 'loses the answer', 'never answers'] as const;
type Fate = (typeof FATES)[number];

const which = fc.constantFrom<0 | 1>(0, 1);
const steps = fc.array(
  fc.oneof(
    fc.record({ add: fc.integer({ min: 1, max: 12 }), refusedFrom: fc.nat({ max: 20 }), to: which }),
    fc.record({ behave: fc.constantFrom(...FATES) }),
    fc.record({ turns: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ flush: which }),
    fc.record({ reopen: which, deadlineMs: fc.constantFrom(0, 3) }),
  ),
  { maxLength: 25 },
);

/** A receiver that both meters send to. */
class Receiver {
  readonly arrived = new Set<string>();
  #fate: Fate = 'arrives';
  #held: (() => void)[] = [];

  behave(fate: Fate): void {
    this.#fate = fate;
    for (const letGo of this.#held.splice(0)) letGo();
  }

  async send(events: readonly UsageEvent[]): Promise<void> {
    const fate = this.#fate;
    if (fate === 'never answers') await new Promise<void>((resolve) => this.#held.push(resolve));
    if (fate === 'never answers' || fate === 'is away') throw new TransportError('unavailable', 'away');
    if (events.some(({ id }) => isRefused(id))) throw new TransportError('too_large', 'too much');
    for (const { id } of events) this.arrived.add(id);
    if (fate === 'loses the answer') throw new TransportError('unavailable', 'no answer');
  }
}

const isRefused = (id: string): boolean => id.startsWith('refused');
const balance = ({ accepted, acknowledged, failed, refused, buffered }: MeterCounters): number =>
  accepted - acknowledged - failed - refused.too_large - refused.rejected - buffered;

function setAsideIn(folder: string): string[] {
  return spoolFilesIn(folder).flatMap((path) => {
    const file = SpoolFile.open(path, 'process');
    if (file === null) throw new Error(`${path} is held`);
    const ids = file.setAsideAfter(0, 10_000).map(({ text }) => (JSON.parse(text) as UsageEvent).id);
    file.close();
    return ids;
  });
}

test('every event that is taken arrives, or lies where a person finds it', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (plan) => {
      const folder = mkdtempSync(join(tmpdir(), 'meterhouse-spool-model-'));
      const receiver = new Receiver();
      const open = (): Meter => {
        const adapter = overTransport({
          send: (events) => receiver.send(events),
          close: () => Promise.resolve(),
          remakes: () => 0,
        });
        return createMeter(
          {
            ...{ source: 'test', adapter, delivery: 'spool', spool: { folder, adoptEveryMs: 100 } },
            bounds: { batchEvents: 5 },
          },
          { ports: { random: () => 0 } },
        );
      };
      const taken: string[] = [];
      const flushed: Promise<unknown>[] = [];
      const meters: [Meter, Meter] = [open(), open()];
      for (const step of plan) {
        if ('add' in step) {
          for (let n = 0; n < step.add; n++) {
            const id = `${n >= step.refusedFrom ? 'refused' : 'good'}-${taken.length}`;
            expect(meters[step.to].add({ id, tenantId: 'acme', metric: 'm' })).toBe(true);
            taken.push(id);
          }
        } else if ('behave' in step) receiver.behave(step.behave);
        else if ('turns' in step) for (let n = 0; n < step.turns; n++) await turn();
        else if ('flush' in step) flushed.push(meters[step.flush].flush().catch((error: unknown) => error));
        else {
          const closed = await meters[step.reopen].close({ deadlineMs: step.deadlineMs });
          expect(balance(closed)).toBe(0);
          meters[step.reopen] = open();
        }
        expect(meters.map((meter) => balance(meter.counters()))).toEqual([0, 0]);
      }
      receiver.behave('arrives');
      const good = taken.filter((id) => !isRefused(id));
      await waitFor(
        'all of it',
        () =>
          good.every((id) => receiver.arrived.has(id)) &&
          meters.every((meter) => meter.counters().buffered === 0)
            ? true
            : undefined,
        { deadlineMs: 20_000, everyMs: 5 },
      );
      for (const meter of meters) expect(balance(await meter.close())).toBe(0);
      for (const outcome of await Promise.all(flushed))
        if (outcome !== undefined) expect(outcome).toBeInstanceOf(MeterError);
      expect(new Set(setAsideIn(folder))).toEqual(new Set(taken.filter(isRefused)));
      expect([...receiver.arrived].filter(isRefused)).toEqual([]);
      rmSync(folder, { recursive: true, force: true });
    }),
    { numRuns: 40, endOnFailure: true },
  );
});
