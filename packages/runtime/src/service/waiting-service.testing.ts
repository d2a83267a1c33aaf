/** A service for the tests of main: waits for a store that is there or never comes, and drains as it is told. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { processVariables, wholeNumber } from '../config.ts';
import { serviceMain } from './service-main.ts';

const variables = {
  STORE_URL: z.url().meta({ description: 'What it waits for.', secret: true }),
  DRAIN_MS: wholeNumber(0, 60_000).default(0).describe('How long it drains.'),
  ...processVariables,
};

await serviceMain({
  name: 'waiting',
  purpose: 'waits.',
  variables,
  start: async ({ STORE_URL, DRAIN_MS }, { logger, startUp }) => {
    const { hostname, password } = new URL(STORE_URL);
    await startUp.waitFor('the store', () =>
      hostname === 'up' ? Promise.resolve() : Promise.reject(new Error(`[away] ${password}`)),
    );
    logger.info('running');
    return {
      failed: new Promise(() => undefined),
      stop: async () => {
        await delay(DRAIN_MS);
        logger.info('drained');
      },
    };
  },
});
