/**
 * Everything that a meter can be told, in one object: which adapter, and a section for each part that
 * has options. Sections of parts that are not chosen may stay where they are, so that a switch of the
 * adapter is a change of one word; they are checked all the same.
 */
import { EVENT_LIMITS } from '@meterhouse/usage';
import * as z from 'zod';
import { kafkaOptions } from '../adapters/kafka/options.ts';
import { logOptions } from '../adapters/log/options.ts';
import { noopOptions } from '../adapters/noop/options.ts';
import { apiOptions } from '../readers/api/options.ts';
import { snapshotsOptions } from '../readers/snapshots/options.ts';
import { boundsOptions } from './bounds.ts';
import { IN_MEMORY, type SecretFields } from './secret-fields.ts';

export const ADAPTERS = ['noop', 'log', 'kafka'] as const;
export type AdapterName = (typeof ADAPTERS)[number];

/** Who may be named to answer questions in the adapter's place. */
export const READERS = ['adapter', 'snapshots', 'api'] as const;

const usageOptions = z.strictObject({
  from: z.enum(['adapter', 'api']).default('adapter').describe('Who answers `getUsage`.'),
});

const checkOptions = z.strictObject({
  from: z.enum(READERS).default('adapter').describe('Who answers `check`.'),
});

/** @param secret how the secrets of a part are given; unchosen parts may be told apart by their name */
export const sections = (secret: (part: string) => SecretFields) => ({
  noop: noopOptions(),
  log: logOptions(),
  kafka: kafkaOptions(secret('kafka')),
  api: apiOptions(secret('api')),
  snapshots: snapshotsOptions(secret('snapshots')),
});

export const meterOptions = (secret: (part: string) => SecretFields = () => IN_MEMORY) => {
  const { noop, log, kafka, api, snapshots } = sections(secret);
  return z.strictObject({
    source: z
      .string()
      .min(1)
      .max(EVENT_LIMITS.idLength)
      .describe('Who sends: the service’s name. Stands in every event that names no other.'),
    adapter: z.enum(ADAPTERS).describe('Where events go.'),
    noop: noop.optional(),
    log: log.optional(),
    kafka: kafka.optional(),
    api: api.optional(),
    snapshots: snapshots.optional(),
    bounds: boundsOptions.prefault({}),
    usage: usageOptions.prefault({}),
    check: checkOptions.prefault({}),
  });
};

export type MeterOptions = z.output<ReturnType<typeof meterOptions>>;
/** What a meter can be told, as an object. */
export type MeterConfiguration = z.input<ReturnType<typeof meterOptions>>;
