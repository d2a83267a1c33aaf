/** What deciding needs on the whole pipeline: the snapshot service, and gates that follow its topic. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '@meterhouse/dev-stack';
import { pino } from 'pino';
import { createGate, postgresCapacity, type Gate, type GateOptions } from '@meterhouse/gate';
import { createKafka, createRegistry } from '@meterhouse/kafka';
import { createPool } from '@meterhouse/postgres';
import { createMeter, type Meter } from '@meterhouse/producer';
import { readSnapshots } from '@meterhouse/quota/reader';
import type { Releases } from '@meterhouse/runtime';
import type { CommandBed } from '../../packages/cli/src/testing.ts';

export const DEADLINE = { deadlineMs: 60_000, everyMs: 20 };
const SNAPSHOTS = fileURLToPath(new URL('../../services/quota-snapshot/src/main.ts', import.meta.url));
const logger = pino({ level: 'silent' });

export class DecidingBed {
  readonly #bed: CommandBed;
  readonly #releases: Releases;

  constructor(bed: CommandBed, releases: Releases) {
    this.#bed = bed;
    this.#releases = releases;
  }

  startSnapshots(): ChildProcess {
    const child = spawn(process.execPath, [SNAPSHOTS], {
      env: {
        ...bareEnvironment(),
        ...{ LOG_LEVEL: 'warn', SNAPSHOT_LEASE_MS: '1000' },
        ...this.#bed.env,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#releases.add('the snapshot service', () => end(child, 'SIGTERM'));
    return child;
  }

  openMeter(): Meter {
    const meter = createMeter({
      source: 'e2e',
      adapter: 'kafka',
      kafka: { ...this.#kafka, topic: this.#bed.topic },
    });
    this.#releases.add('the meter', async () => {
      await meter.close();
    });
    return meter;
  }

  /** Each has counters of its own, as in a process of its own. */
  async openGate(more: Partial<GateOptions> = {}): Promise<Gate> {
    const { brokers, schemaRegistryUrl } = this.#kafka;
    const reader = readSnapshots({
      kafka: createKafka({ brokers, clientId: 'gate', logger }),
      registry: createRegistry(schemaRegistryUrl),
      topic: this.#bed.env['USAGE_SNAPSHOTS_TOPIC'] ?? '',
      logger,
    });
    this.#releases.add('a reader', () => reader.close());
    await reader.ready({ deadlineMs: DEADLINE.deadlineMs });
    const url = this.#bed.env['DATABASE_URL'] ?? '';
    const pool = createPool({ url, role: 'meterhouse_gate', applicationName: 'gate', max: 2 });
    this.#releases.add('a pool', () => pool.end());
    const capacity = postgresCapacity({ pool, ttlMs: 60_000, logger });
    const gate = createGate({ snapshots: reader, capacity, ...more });
    this.#releases.add('a gate', () => gate.close());
    return gate;
  }

  get #kafka(): { readonly brokers: string[]; readonly schemaRegistryUrl: string } {
    return {
      brokers: [this.#bed.env['KAFKA_BROKERS'] ?? ''],
      schemaRegistryUrl: this.#bed.env['SCHEMA_REGISTRY_URL'] ?? '',
    };
  }
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
