import type { Landing } from './landing.ts';

/** Events that were acknowledged are sent again, as fast as the producers can. */
export const duplicateFlood: Landing<'duplicate_flood'> = {
  holds: () => ['flood'],
  land: async ({ producers }, fault, landed) => {
    landed(`${fault.events} events by ${producers.length} producers`);
    await Promise.all(
      producers.map((producer) => producer.flood(Math.ceil(fault.events / producers.length))),
    );
  },
};
