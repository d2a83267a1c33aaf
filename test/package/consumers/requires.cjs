// CommonJS of the same project; some of it has moved on to import.
const requiredPackage = require('@meterhouse/producer');
const { metered } = require('@meterhouse/producer/metered');
const { createMeter, currentTenant, withTenant } = requiredPackage;

async function main() {
  const importedPackage = await import('@meterhouse/producer');
  const { metered: importedMetered } = await import('@meterhouse/producer/metered');
  const added = [];
  const collecting = {
    add: (event) => added.push({ ...event, tenantId: event.tenantId ?? currentTenant()?.tenantId }),
  };
  // Opened by one, seen by the other, and by a wrapper of the third.
  const seen = await withTenant({ tenantId: 'acme' }, async () => {
    await importedMetered(() => Promise.resolve(), {
      meter: collecting,
      usage: () => ({ metric: 'jobs' }),
    })();
    return importedPackage.currentTenant()?.tenantId;
  });
  // As where a project's bundle holds the package, and its dependencies load it too.
  for (const path of Object.keys(require.cache))
    if (path.includes('@meterhouse')) Reflect.deleteProperty(require.cache, path);
  const copy = require('@meterhouse/producer');
  if (copy.createMeter === createMeter) throw new Error('it is no copy');
  const seenByCopy = withTenant({ tenantId: 'acme' }, () => copy.currentTenant()?.tenantId);
  const meter = createMeter({ source: 'requires', adapter: 'noop', noop: { checkEvents: true } });
  const refusal = await meter.record({ tenantId: 'acme', metric: 'no metric' }).catch((error) => error);
  await meter.close();
  // The postgres adapter needs its digest while it loads; that its client is missing comes after.
  const ready = {};
  for (const adapter of ['kafka', 'postgres']) {
    const missing = createMeter({
      source: 'requires',
      adapter,
      kafka: { brokers: ['127.0.0.1:1'], schemaRegistryUrl: 'http://127.0.0.1:1', topic: 'usage' },
      postgres: { url: 'postgres://127.0.0.1:1/none' },
    });
    ready[adapter] = await missing.ready().then(
      () => 'ready',
      (error) => error.message,
    );
    await missing.close({ deadlineMs: 0 });
  }
  const result = {
    seen,
    added,
    seenByCopy,
    sameFunctions: metered === importedMetered && createMeter === importedPackage.createMeter,
    sameErrors: refusal instanceof importedPackage.MeterError,
    ready,
  };
  process.stdout.write(`result ${JSON.stringify(result)}\n`);
}

void main();
