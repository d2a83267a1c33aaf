/** A job beside the service: what each tenant keeps stored, recorded once for each night, however often it runs. */
import { withTenant, type Meter } from '@meterhouse/producer';

export interface Stored {
  readonly tenantId: string;
  readonly bytes: number;
}

/** @throws where a fact is not durable: run it again, what was recorded counts once */
export async function recordNight(meter: Meter, night: string, stored: Iterable<Stored>): Promise<void> {
  for (const { tenantId, bytes } of stored)
    await withTenant({ tenantId }, () =>
      meter.record({
        id: `stored:${night}:${tenantId}`,
        metric: 'bytes',
        value: bytes,
        ts: `${night}T00:00:00Z`,
      }),
    );
}
