/** Services that are frozen, or keep ending. */
import { waitFor } from '@meterhouse/runtime';
import { JOB_LAUNCH } from '../trial/traffic.ts';
import type { TrialBed } from '../trial/bed.ts';
import type { Fault } from '../trial/fault.ts';

const START_MS = 60_000;

export const aggregatorFrozen: Fault = {
  name: 'aggregator frozen',
  alerts: [
    'MeterhouseServiceAway',
    'MeterhouseInstanceAway',
    'MeterhouseNothingKnown',
    'MeterhouseSnapshotsOld',
    'MeterhouseDeniedBlind',
  ],
  broken: 'SIGSTOP to the aggregator; jobs are asked for meanwhile that may not start on old usage',
  mended: 'SIGCONT (a supervisor would restart it)',
  break: (bed) => bed.signal('aggregator', 'SIGSTOP'),
  keepBroken: async ({ api }) => {
    await api('POST', '/v1/decide', JOB_LAUNCH);
  },
  mend: (bed) => bed.signal('aggregator', 'SIGCONT'),
};

async function killOnce(bed: TrialBed): Promise<void> {
  const before = await startOf(bed);
  await bed.signal('decision-log', 'SIGKILL');
  await waitFor(
    'decision-log to be up again',
    async () => {
      const now = await startOf(bed);
      return now !== undefined && now !== before ? true : undefined;
    },
    { deadlineMs: START_MS, everyMs: 250 },
  );
}

/** As Prometheus last saw it. */
async function startOf({ prometheus }: TrialBed): Promise<number | undefined> {
  const [sample] = await prometheus.query('process_start_time_seconds{job="decision-log"}');
  return sample?.value;
}

export const serviceKeepsEnding: Fault = {
  name: 'service keeps ending',
  alerts: ['MeterhouseRestarting'],
  broken: 'SIGKILL to decision-log, again and again, as soon as its supervisor has it up again',
  mended: 'left alone',
  break: killOnce,
  keepBroken: killOnce,
  mend: () => Promise.resolve(),
};
