/** What the wrapper costs an Express app: requests and their p99, bare and metered in two ways, in turns. */
import { once } from 'node:events';
import autocannon from 'autocannon';
import type { MeterConfiguration } from '@meterhouse/producer';
import type { AppDelivered, AppPorts } from './app-process.ts';
import { forked } from './forked.ts';

interface AppRound {
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
}

const FORMS = ['bare', 'metered', 'summed'] as const;

export interface AppFigures extends Record<keyof AppPorts, AppRound[]> {
  readonly delivered: AppDelivered;
}

export async function measureApp(
  kafka: NonNullable<MeterConfiguration['kafka']>,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<AppFigures> {
  const app = forked('app-process.ts');
  app.send(kafka);
  const [ports] = (await once(app, 'message')) as [AppPorts];
  const figures: Record<keyof AppPorts, AppRound[]> = { bare: [], metered: [], summed: [] };
  for (const form of FORMS) await shoot(ports[form], Math.min(seconds, 2));
  for (let round = 0; round < rounds; round++) {
    // Each goes first as often as the others.
    const first = round % FORMS.length;
    for (const form of [...FORMS.slice(first), ...FORMS.slice(0, first)])
      figures[form].push(await shoot(ports[form], seconds));
  }
  app.send('stop');
  const [delivered] = (await once(app, 'message')) as [AppDelivered];
  // Without events the ratio would say nothing.
  if (Math.min(delivered.metered, delivered.summed) === 0)
    throw new Error('the metered app has delivered nothing');
  return { ...figures, delivered };
}

async function shoot(port: number, seconds: number): Promise<AppRound> {
  const result = await autocannon({
    url: `http://127.0.0.1:${port}/searches/books`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: 'exact sums' }),
    connections: 16,
    duration: seconds,
  });
  if (result.non2xx + result.errors > 0) throw new Error(`${result.non2xx + result.errors} requests failed`);
  return { requestsPerSecond: result.requests.average, p99Ms: result.latency.p99 };
}
