/** Where the system is: by variables, or as `npm start` left it in its data folder. */
import { readFileSync } from 'node:fs';

export interface Endpoints {
  readonly kafka: string;
  readonly schemaRegistry: string;
  readonly postgres: string;
}

export function endpointsFrom(env: Readonly<Record<string, string | undefined>>): Endpoints {
  const { KAFKA_BROKERS: kafka, SCHEMA_REGISTRY_URL: schemaRegistry, DATABASE_URL: postgres } = env;
  if (kafka !== undefined && schemaRegistry !== undefined && postgres !== undefined)
    return { kafka, schemaRegistry, postgres };
  const file = new URL('../../.meterhouse/endpoints.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Endpoints;
}
