/**
 * A service that meters through a spool until it is killed. Its ledger has two lines for each event: `+`
 * before it is given to the meter, `=` after the meter has said that it is taken. Both are written to the
 * kernel before the process goes on, so a kill can only lose the second line of the last event.
 */
import { openSync, writeSync } from 'node:fs';
import { createMeter } from '@meterhouse/producer';
import { Random } from '../faults/random.ts';
import { ledgerLine, type LedgerEvent } from './ledger.ts';

const {
  FOLDER = '',
  LEDGER = '',
  BROKER = '',
  SCHEMA_REGISTRY_URL = '',
  TOPIC = '',
  NAME = '',
} = process.env;

/** Events between two turns of the event loop, in which batches go out. */
const BURST = 20;
const TENANTS = 20;

const random = new Random(NAME);
const ledger = openSync(LEDGER, 'a');
const meter = createMeter({
  source: 'spool-faults',
  adapter: 'kafka',
  kafka: { brokers: [BROKER], schemaRegistryUrl: SCHEMA_REGISTRY_URL, topic: TOPIC },
  delivery: 'spool',
  spool: { folder: FOLDER, adoptEveryMs: 200 },
  bounds: { attemptMs: 2_000 },
});

let count = 0;
function burst(): void {
  for (let n = 0; n < BURST; n++) {
    const event: LedgerEvent = {
      id: `${NAME}-${count++}`,
      tenantId: `tenant-${random.between(0, TENANTS - 1)}`,
      value: String(random.between(1, 8_000)),
    };
    writeSync(ledger, ledgerLine('+', event));
    if (!meter.add({ ...event, metric: 'llm.input_tokens' })) throw new Error('an event was not taken');
    writeSync(ledger, ledgerLine('=', event));
  }
  setTimeout(burst, random.between(0, 10));
}
burst();
