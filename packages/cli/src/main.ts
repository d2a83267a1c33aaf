#!/usr/bin/env node
import { runMeterhouse } from './run.ts';

// kafkajs sets a timer below zero now and then, and Node warns of it: nothing that a person can act on.
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  if (warning.name !== 'TimeoutNegativeWarning')
    process.stderr.write(`${warning.name}: ${warning.message}\n`);
});

const stopping = new AbortController();
// The first Ctrl-C ends the work in order; a second one ends the process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());

process.exitCode = await runMeterhouse(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  now: Date.now,
  signal: stopping.signal,
});
