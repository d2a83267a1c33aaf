/**
 * Cedar keeps what it has parsed under a name, for ever: it can be replaced and not removed. So names are
 * used again, and a name that is given back is overwritten with nothing.
 */
import { preparsePolicySet, preparseSchema } from '@cedar-policy/cedar-wasm/nodejs';

/** Cedar engines open at a time, in one thread. */
export const CEDAR_ENGINES_OPEN = 64;

const free = Array.from({ length: CEDAR_ENGINES_OPEN }, (_, i) => `meterhouse-${CEDAR_ENGINES_OPEN - 1 - i}`);

/** @returns null when all are taken */
export function takeSlot(): string | null {
  return free.pop() ?? null;
}

export function giveBackSlot(slot: string): void {
  const emptied = [preparsePolicySet(slot, { staticPolicies: {} }), preparseSchema(slot, {})];
  // A name that still holds something is not given to another.
  if (emptied.every(({ type }) => type === 'success')) free.push(slot);
}
