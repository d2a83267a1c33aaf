/**
 * Run it with a laptop's adapter, and with any other by changing one variable:
 *
 *   METERHOUSE_SOURCE=summaries METERHOUSE_ADAPTER=log node examples/metered-service/main.ts
 *   curl -X POST localhost:8410/summaries -H 'x-tenant: acme' -d 'A text. And more of it.'
 */
import { createMeter } from '@meterhouse/producer';
import { createLogger } from '@meterhouse/runtime';
import { createService } from './service.ts';

const logger = createLogger('summaries', 'info');
const meter = createMeter(undefined, { logger });
const server = createService(meter, Date.now).listen(Number(process.env['PORT'] ?? 8410), '127.0.0.1');

const stop = (): void => {
  server.close();
  server.closeAllConnections();
  meter.close().then(
    (counters) => {
      logger.info({ counters }, 'every event has been brought away');
    },
    (error: unknown) => {
      logger.error({ err: error }, 'could not stop cleanly');
      process.exitCode = 1;
    },
  );
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
