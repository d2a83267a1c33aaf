/** A service for the tests of main: waits for a store that is there or never comes, and drains and fails as it is told. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { ConfigError, processVariables, wholeNumber } from '../config.ts';
import { Drain } from '../drain.ts';
import { serviceMain } from './service-main.ts';

const variables = {
  STORE_URL: z.url().meta({ description: 'What it waits for.', secret: true }),
  DRAIN_MS: wholeNumber(0, 60_000).default(0).describe('How long it drains.'),
  FAILS_BY: z.enum(['saying so', 'a rejection', 'an exception']).optional().describe('How it fails.'),
  ...processVariables,
};

await serviceMain({
  name: 'waiting',
  purpose: 'waits.',
  variables,
  start: async ({ STORE_URL, DRAIN_MS, FAILS_BY }, { logger, startUp, beginSpan }) => {
    const { hostname, password } = new URL(STORE_URL);
    const ask = (): Promise<void> => {
      if (hostname === 'up') return Promise.resolve();
      if (hostname === 'wrong') return Promise.reject(new ConfigError(['STORE_URL: nobody can use it']));
      return Promise.reject(new Error(`[${hostname}] ${password}`));
    };
    await startUp.waitFor('the store', ask, (error) => (error as Error).message.startsWith('[hopeless]'));
    beginSpan?.('started', { kind: 'consumer' }).end();
    logger.info('running');
    const failed = Promise.withResolvers<never>();
    const broken = new Error('it is broken');
    if (FAILS_BY === 'saying so') failed.reject(broken);
    if (FAILS_BY === 'a rejection') void Promise.reject(broken);
    if (FAILS_BY === 'an exception')
      setImmediate(() => {
        throw broken;
      });
    return {
      failed: failed.promise,
      stop: async ({ leftMs } = Drain.within()) => {
        await delay(DRAIN_MS);
        logger.info({ leftMs }, 'drained');
      },
    };
  },
});
