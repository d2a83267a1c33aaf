// Healthy is a service whose work goes on: exits 0 when what it has written to Postgres is fresh, 1 with one
// line when it is not. A process that merely lives is what the supervisor sees by itself.
//
//   node deploy/health.mjs [aggregator | quota-snapshot | decision-log]      default: the service that this container runs

import { readFileSync } from 'node:fs';
import process from 'node:process';
import pg from 'pg';

const staleAfterSeconds = 60;

// How many seconds each is behind: the aggregator behind now, as its watermark advances while nothing is sent,
// too; the publisher behind the aggregator, whose failure is none of its own; the decision log in the partition
// that is furthest behind, as its mark advances while nothing is sent, too.
const questions = {
  aggregator: `SELECT extract(epoch FROM now() - max(processed_through))::float8 AS behind,
      count(halted_reason) AS halted FROM meterhouse.progress`,
  'quota-snapshot': `SELECT extract(epoch FROM max(processed_through) - max(complete_through))::float8 AS behind,
      0 AS halted FROM meterhouse.progress, meterhouse.tailers WHERE name = 'quota-snapshot'`,
  'decision-log': {
    text: `SELECT CASE WHEN bool_and(complete_through IS NOT NULL)
          THEN extract(epoch FROM now() - min(complete_through))::float8 END AS behind,
        0 AS halted FROM meterhouse.decision_log_partitions WHERE topic = $1`,
    values: [process.env.QUOTA_DECISIONS_TOPIC || 'quota_decisions'],
  },
};

const service = process.argv[2] ?? serviceOfContainer();
const question = questions[service];
if (question === undefined) fail(`no such service: ${service}`);

const client = new pg.Client({
  connectionString: process.env.DATABASE_URL,
  application_name: 'meterhouse-health',
  connectionTimeoutMillis: 5000,
  query_timeout: 5000,
});
try {
  await client.connect();
  const { rows } = await client.query(question);
  const { behind, halted } = rows[0];
  if (Number(halted) > 0) fail(`${halted} partitions are halted`);
  if (behind === null) fail('nothing processed yet');
  if (behind > staleAfterSeconds) fail(`${Math.round(behind)} s behind`);
} catch (error) {
  fail(error.message);
} finally {
  await client.end();
}

function serviceOfContainer() {
  const command = readFileSync('/proc/1/cmdline', 'utf8').replaceAll('\0', ' ');
  return /services\/([\w-]+)\//.exec(command)?.[1] ?? command;
}

function fail(reason) {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}
