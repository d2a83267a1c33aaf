/** A process that sends one event and ends. */
import type { KafkaTarget } from './adapters/kafka/options.ts';
import { createMeter } from './create-meter.ts';

const kafka = JSON.parse(process.argv[2] ?? '{}') as KafkaTarget;
const meter = createMeter({ adapter: 'kafka', kafka, source: 'traces-test' });
await meter.record({ id: 'sent', tenantId: 'acme', metric: 'm' });
await meter.close();
