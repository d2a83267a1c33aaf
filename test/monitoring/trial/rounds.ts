/** The faults in their order: those of one round do not disturb each other, and are run at the same time. */
import { nearLimit, overLimit, tooFast } from '../faults/limits.ts';
import { decisionsLost, partitionHalted } from '../faults/logs.ts';
import { locksTaken, mirrorCorrupted, publisherNearItsLimit } from '../faults/mirror.ts';
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
  [countingHeldUp],
  [postgresFrozen],
  [kafkaFrozen],
  [tooManySources],
  // The last: putting it right starts everything again.
  [publisherNearItsLimit],
];

/** Alerts that no fault provokes, and why. */
export const NOT_PROVOKED: Readonly<Record<string, string>> = {
  MeterhouseMemoryHigh:
    'memory is bounded whatever is sent (I10): only a defect fills it. Tested by promtool with recorded figures.',
};
