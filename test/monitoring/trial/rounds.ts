/** The faults in their order: those of one round do not disturb each other, and are run at the same time. */
import { nearLimit, overLimit, tooFast } from '../faults/limits.ts';
import { decisionsLost, partitionHalted } from '../faults/logs.ts';
import { memoryFilled } from '../faults/memory.ts';
import { locksTaken, mirrorCorrupted, publisherNearItsLimit } from '../faults/mirror.ts';
import { outboxLocked } from '../faults/outbox.ts';
import { aggregatorFrozen, serviceKeepsEnding } from '../faults/processes.ts';
import { duplicates, silence, tooManySources, wrongUnit } from '../faults/producers.ts';
import { clickhouseFrozen, countingHeldUp, kafkaFrozen, postgresFrozen } from '../faults/stores.ts';
import { receiversFail } from '../faults/webhooks.ts';
import type { Fault } from './fault.ts';

export const ROUNDS: readonly (readonly Fault[])[] = [
  [wrongUnit, duplicates, silence, nearLimit, receiversFail],
  [overLimit, tooFast, mirrorCorrupted, decisionsLost],
  [locksTaken],
  [clickhouseFrozen],
  [serviceKeepsEnding],
  [aggregatorFrozen],
  [partitionHalted],
  [outboxLocked],
  [countingHeldUp],
  [postgresFrozen],
  [kafkaFrozen],
  [tooManySources],
  // The last: putting them right starts everything again.
  [publisherNearItsLimit],
  [memoryFilled],
];

/** Alerts that no fault provokes, and why. */
export const NOT_PROVOKED: Readonly<Record<string, string>> = {};
