/** Producers that send wrong things, send things twice, fall silent, or are too many. */
import { randomUUID } from 'node:crypto';
import type { TrialBed } from '../trial/bed.ts';
import type { Fault } from '../trial/fault.ts';

const METRIC = 'llm.output_tokens';
const TENANT = 'lumen-imaging';

export const wrongUnit: Fault = {
  name: 'wrong unit',
  alerts: ['MeterhouseQuarantineGrowing', 'MeterhouseQuarantineWaits'],
  broken: 'events with a unit that is not the metric’s',
  mended: 'meterhouse quarantine discard --reason wrong_unit --because …',
  break: (bed) => sendWrong(bed, 50),
  keepBroken: (bed) => sendWrong(bed, 20),
  mend: async ({ meter, meterhouse }) => {
    await meter.flush();
    await meterhouse(
      'quarantine',
      'discard',
      '--reason',
      'wrong_unit',
      '--because',
      'trial of the alerts',
      '--by',
      'trial',
    );
  },
};

async function sendWrong({ meter }: TrialBed, events: number): Promise<void> {
  await Promise.all(
    Array.from({ length: events }, () =>
      meter.record({ tenantId: TENANT, metric: METRIC, unit: 'furlong', value: '1', source: 'wrong' }),
    ),
  );
}

const ids = Array.from({ length: 50 }, () => randomUUID());
const ts = new Date();

export const duplicates: Fault = {
  name: 'duplicates',
  alerts: ['MeterhouseDuplicatesSurge'],
  broken: 'the same 50 events, with the same ids, over and over',
  mended: 'the producer stops repeating itself',
  break: (bed) => sendSame(bed),
  keepBroken: (bed) => sendSame(bed),
  mend: () => Promise.resolve(),
};

async function sendSame({ meter }: TrialBed): Promise<void> {
  await Promise.all(
    ids.map((id) =>
      meter.record({ id, ts, tenantId: TENANT, metric: METRIC, value: '1', source: 'repeater' }),
    ),
  );
}

export const silence: Fault = {
  name: 'silence',
  alerts: ['MeterhouseProducerSilent'],
  broken: 'a producer sends 150 events, and then nothing',
  mended: 'the producer sends again',
  break: (bed) => sendMany(bed, 150),
  mend: (bed) => sendMany(bed, 1),
  keepMended: (bed) => sendMany(bed, 1),
};

async function sendMany({ meter }: TrialBed, events: number): Promise<void> {
  await Promise.all(
    Array.from({ length: events }, () =>
      meter.record({ tenantId: TENANT, metric: METRIC, value: '1', source: 'batch-worker' }),
    ),
  );
}

export const tooManySources: Fault = {
  name: 'too many sources',
  alerts: ['MeterhouseLabelsOverflow'],
  broken: 'a producer that puts an id of its own into `source`: 260 of them, a few each second',
  mended: 'the producer names its service as the source',
  break: (bed) => sendFromStrangers(bed, 220),
  keepBroken: (bed) => sendFromStrangers(bed, 10),
  mend: () => Promise.resolve(),
};

async function sendFromStrangers({ meter }: TrialBed, sources: number): Promise<void> {
  await Promise.all(
    Array.from({ length: sources }, () =>
      meter.record({ tenantId: TENANT, metric: METRIC, value: '1', source: `pod-${randomUUID()}` }),
    ),
  );
}
