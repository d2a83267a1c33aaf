/**
 * Everything that a meter can be told, in one object: which adapter, and a section for each part that
 * has options. Sections of parts that are not chosen may stay where they are, so that a switch of the
 * adapter is a change of one word; they are checked all the same.
 */
import { EVENT_LIMITS } from '@meterhouse/usage';
import * as z from 'zod';
import { httpOptions } from '../adapters/http/options.ts';
import { kafkaOptions } from '../adapters/kafka/options.ts';
import { noopOptions } from '../adapters/noop/options.ts';
import { postgresOptions } from '../adapters/postgres/options.ts';
import { logOptions } from '../log-lines/options.ts';
import { apiOptions } from '../readers/api/options.ts';
import { snapshotsOptions } from '../readers/snapshots/options.ts';
import { spoolOptions } from '../spool/options.ts';
import { sumsOptions } from '../sums/options.ts';
import { boundsOptions } from './bounds.ts';
import { IN_MEMORY, type SecretFields } from './secret-fields.ts';
import { checkOptions, usageOptions } from './usage-options.ts';
import { weightsOptions } from './weights-options.ts';

const ADAPTERS = ['noop', 'log', 'kafka', 'postgres', 'http'] as const;
export type AdapterName = (typeof ADAPTERS)[number];

/** @param secret how the secrets of a part are given */
export const meterOptions = (secret: (part: string) => SecretFields = () => IN_MEMORY) =>
  z.strictObject({
    source: z
      .string()
      .min(1)
      .max(EVENT_LIMITS.idLength)
      .describe('Who sends: the service’s name. Stands in every event that names no other.'),
    adapter: z.enum(ADAPTERS).describe('Where events go.'),
    noop: noopOptions().optional(),
    log: logOptions().optional(),
    kafka: kafkaOptions(secret('kafka')).optional(),
    postgres: postgresOptions(secret('postgres')).optional(),
    http: httpOptions(secret('http')).optional(),
    api: apiOptions(secret('api')).optional(),
    snapshots: snapshotsOptions(secret('snapshots')).optional(),
    delivery: z
      .enum(['memory', 'spool'])
      .default('memory')
      .describe('Where events wait for the adapter: in memory, or in files that outlive the process.'),
    spool: spoolOptions().optional(),
    bounds: boundsOptions.prefault({}),
    sums: sumsOptions.prefault({}),
    usage: usageOptions(secret('usage')).prefault({}),
    check: checkOptions.prefault({}),
    weights: weightsOptions.optional(),
  });

export type MeterOptions = z.output<ReturnType<typeof meterOptions>>;
/** What a meter can be told, as an object. */
export type MeterConfiguration = z.input<ReturnType<typeof meterOptions>>;
