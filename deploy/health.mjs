// Healthy is a service that moves: asks its own /healthz, and exits 0 or, with one line that says why not, 1.
//
//   node deploy/health.mjs

import process from 'node:process';

const { METRICS_PORT: port, METRICS_HOST: host = '127.0.0.1' } = process.env;
const everywhere = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };

try {
  if (!port) throw new Error('METRICS_PORT is not set: the service cannot be asked');
  const url = `http://${everywhere[host] ?? host}:${port}/healthz`;
  const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(await response.text());
} catch (error) {
  process.stderr.write(`${(error.cause ?? error).message.trim()}\n`);
  process.exitCode = 1;
}
