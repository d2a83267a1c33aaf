// A project that installed Kafka's client too.
const { createMeter } = require('@meterhouse/producer');

async function main() {
  const [target] = process.argv.slice(2);
  const meter = createMeter({ source: 'sends', adapter: 'kafka', kafka: JSON.parse(target) });
  const { id } = await meter.record({ tenantId: 'acme', metric: 'api.calls', value: '12.5' });
  await meter.close();
  process.stdout.write(`result ${JSON.stringify({ id })}\n`);
}

void main();
