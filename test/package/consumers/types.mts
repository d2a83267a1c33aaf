/** What a project's compiler sees: exact where it is used, an error where it is used wrongly. */
import { createServer } from 'node:http';
import { createMeter, MeterError, withTenant, type Meter, type UsageEventInput } from '@meterhouse/producer';
import { createGauges } from '@meterhouse/producer/gauge';
import { tokensOf } from '@meterhouse/producer/llm';
import { metered } from '@meterhouse/producer/metered';
import { meterListener } from '@meterhouse/producer/node-http';
import { createOutbox } from '@meterhouse/producer/outbox';

const meter: Meter = createMeter({ source: 'types', adapter: 'log' });
const event: UsageEventInput = { metric: 'api.calls', value: 2n };
const taken: boolean = withTenant({ tenantId: 'acme' }, () => meter.add(event));
const counted = metered((text: string) => Promise.resolve(text.length), {
  meter,
  usage: ({ args: [text] }) => ({ metric: 'jobs', value: text.length }),
});
export const length: Promise<number> = counted('four');
export const server = createServer(
  meterListener((_request, response) => void response.end(), { meter, tenant: () => 'acme' }),
);
export const outbox = createOutbox({ source: 'types' });
export const tools = [createGauges, tokensOf, taken] as const;
export const isRefusal = (error: unknown): boolean => error instanceof MeterError && error.code === 'refused';

// @ts-expect-error an event needs a metric
meter.add({ tenantId: 'acme' });
// @ts-expect-error there is no such adapter
createMeter({ source: 'types', adapter: 'carrier-pigeon' });
