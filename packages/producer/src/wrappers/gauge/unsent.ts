/** What a meter did not take, because its buffer is full, is given to it again: an interval comes only once. */
import type { UsageEventInput } from '../../event-input.ts';
import type { AddsUsage } from '../port.ts';
import type { Problems } from '../problems.ts';

const MAX_UNSENT = 10_000;
/** One that is refused for what it is would be refused for ever. */
const MAX_ATTEMPTS = 1_000;

export interface Unsent {
  send(event: UsageEventInput): void;
  retry(): void;
}

interface Waiting {
  readonly event: UsageEventInput;
  readonly attempts: number;
}

export function createUnsent(meter: AddsUsage, problems: Problems): Unsent {
  let waiting: Waiting[] = [];
  const taken = (event: UsageEventInput): boolean => {
    try {
      return meter.add(event);
    } catch (error) {
      problems.report('not_taken', `the meter threw at an event of ${event.metric}`, error);
      return false;
    }
  };
  const offer = ({ event, attempts }: Waiting): void => {
    if (taken(event)) return;
    if (waiting.length < MAX_UNSENT && attempts < MAX_ATTEMPTS)
      waiting.push({ event, attempts: attempts + 1 });
    else
      problems.report('not_taken', `the meter does not take an interval of ${event.metric}: it is given up`);
  };
  return {
    send: (event) => offer({ event, attempts: 1 }),
    retry: () => {
      const again = waiting;
      waiting = [];
      again.forEach(offer);
    },
  };
}
