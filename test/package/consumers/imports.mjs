// An ES module of a project that installed the package and none of its optional peers.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createMeter, currentTenant, withTenant } from '@meterhouse/producer';
import { metered } from '@meterhouse/producer/metered';
import { meterListener } from '@meterhouse/producer/node-http';

const bodies = [];
const sink = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    bodies.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(204).end();
  });
}).listen(0, '127.0.0.1');
await once(sink, 'listening');
const url = `http://127.0.0.1:${sink.address().port}`;

const noop = createMeter({ source: 'imports', adapter: 'noop' });
const log = createMeter({ source: 'imports', adapter: 'log' });
const http = createMeter({ source: 'imports', adapter: 'http', http: { url, gzip: false } });

const handler = meterListener((_request, response) => response.end(currentTenant()?.tenantId), {
  meter: http,
  tenant: () => 'acme',
  route: () => '/things/:id',
});
const app = createServer(handler).listen(0, '127.0.0.1');
await once(app, 'listening');
const answer = await (await fetch(`http://127.0.0.1:${app.address().port}/things/1`)).text();
app.close();
app.closeAllConnections();

const work = metered(() => Promise.resolve('done'), {
  meter: http,
  usage: () => ({ metric: 'jobs' }),
});
await withTenant({ tenantId: 'acme' }, () => work());
const closed = {};
for (const [name, meter] of Object.entries({ noop, log, http })) {
  await meter.record({ tenantId: 'acme', metric: 'api.calls', value: '0.5' });
  closed[name] = { ...(await meter.ready()), counters: await meter.close() };
}
sink.close();
sink.closeAllConnections();
process.stdout.write(`result ${JSON.stringify({ answer, closed, events: bodies.flat() })}\n`);
