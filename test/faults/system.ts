/** The system under test, as the faults reach it. */
import type { Stack } from '@meterhouse/dev-stack';
import type { Pool } from '@meterhouse/postgres';
import type { Kafka } from 'kafkajs';
import type { SystemNames } from './processes/messages.ts';
import type { ProducerHandle } from './processes/producers.ts';
import type { Worker } from './processes/workers.ts';
import type { Random } from './random.ts';

export interface System {
  readonly stack: Stack;
  readonly names: SystemNames;
  readonly workers: readonly Worker[];
  readonly producers: readonly ProducerHandle[];
  /** The superuser's; its connections are faulted like any other. */
  readonly postgres: Pool;
  readonly kafka: Kafka;
  readonly random: Random;
}

export function workerOf(system: System, number: number): Worker {
  const worker = system.workers[number];
  if (worker === undefined) throw new RangeError(`there is no worker ${number}`);
  return worker;
}
