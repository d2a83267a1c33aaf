/** What the wrapper costs an Express app: requests and their p99, bare and metered, in turns. */
import { once } from 'node:events';
import autocannon from 'autocannon';
import type { MeterConfiguration } from '@meterhouse/producer';
import type { AppPorts } from './app-process.ts';
import { forked } from './forked.ts';

interface AppRound {
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
}

export type AppFigures = Record<keyof AppPorts, AppRound[]>;

export async function measureApp(
  kafka: NonNullable<MeterConfiguration['kafka']>,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<AppFigures> {
  const app = forked('app-process.ts');
  app.send(kafka);
  const [ports] = (await once(app, 'message')) as [AppPorts];
  const figures: AppFigures = { bare: [], metered: [] };
  for (const form of ['bare', 'metered'] as const) await shoot(ports[form], Math.min(seconds, 2));
  for (let round = 0; round < rounds; round++) {
    // Each goes first as often as the other.
    const order = round % 2 === 0 ? (['bare', 'metered'] as const) : (['metered', 'bare'] as const);
    for (const form of order) figures[form].push(await shoot(ports[form], seconds));
  }
  app.send('stop');
  const [counters] = (await once(app, 'message')) as [{ acknowledged: number }];
  // Without events the ratio would say nothing.
  if (counters.acknowledged === 0) throw new Error('the metered app has delivered nothing');
  return figures;
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
