import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';
import type { Endpoints } from './stack.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the global setup hands out the endpoints; it starts the stack for the first who asks. */
    meterhouseStackUrl: string;
  }
}

// Asked for while the test file is being loaded, where no test's timeout runs: a start takes its time.
const endpointsOfRun = await askForStack();

/** The one stack of this test run. Tests share it, so they name their topics, groups and databases uniquely. */
export function sharedStack(): Promise<Endpoints> {
  return Promise.resolve(endpointsOfRun);
}

async function askForStack(): Promise<Endpoints> {
  const response = await fetch(inject('meterhouseStackUrl'));
  if (!response.ok) throw new Error(`The stack for the tests did not start: ${await response.text()}`);
  return (await response.json()) as Endpoints;
}

/** Creates an empty Postgres database and returns its URL. */
export async function freshDatabase(endpoints: Endpoints): Promise<string> {
  const name = uniqueName();
  const client = new Client({ connectionString: endpoints.postgres });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  const url = new URL(endpoints.postgres);
  url.pathname = `/${name}`;
  return url.href;
}

/** Creates an empty ClickHouse database and returns its name. */
export async function freshClickHouseDatabase(endpoints: Endpoints): Promise<string> {
  const name = uniqueName();
  const response = await fetch(endpoints.clickhouse, { method: 'POST', body: `CREATE DATABASE ${name}` });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return name;
}

function uniqueName(): string {
  return `test_${randomBytes(6).toString('hex')}`;
}
