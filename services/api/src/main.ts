#!/usr/bin/env node
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { requireCurrentSchema } from '@meterhouse/postgres';
import {
  createLogger,
  parseConfig,
  Releases,
  runService,
  waitFor,
  type RunningService,
} from '@meterhouse/runtime';
import { createApi } from './api.ts';
import { createAuthenticator } from './access/authenticator.ts';
import { KeyRing } from './access/keys.ts';
import { TenantTree } from './access/tenant-tree.ts';
import { configuredIssuer, configuredTls, variables } from './configuration.ts';
import { openKeyLimits } from './key-limits.ts';
import { configuredWebhooks } from './routes/webhooks/configured.ts';
import { openStores } from './stores.ts';

const START_TIMEOUT_MS = 60_000;

const logger = createLogger('api', process.env['LOG_LEVEL'] ?? 'info');

await runService(logger, async (): Promise<RunningService> => {
  const config = parseConfig(variables, process.env);
  logger.level = config.LOG_LEVEL;
  const tls = await configuredTls(config, (path) => readFile(path));
  const issuer = configuredIssuer(config);
  const releases = new Releases();
  try {
    const starting = { deadlineMs: START_TIMEOUT_MS, everyMs: 250, retryErrors: true };
    await waitFor(
      'Postgres with the current schema',
      () => requireCurrentSchema(config.DATABASE_URL).then(() => true),
      starting,
    );
    const stores = openStores(config.DATABASE_URL, releases);
    const keys = new KeyRing({ store: stores.keys, logger, now: Date.now });
    const app = await createApi({
      logger,
      newId: randomUUID,
      tls,
      tree: new TenantTree(stores.lineage),
      authenticate: createAuthenticator(keys, issuer, Date.now),
      keyLimits: openKeyLimits(config, logger, releases),
      readiness: { postgres: () => stores.ready() },
      webhooks: configuredWebhooks(config, stores),
    });
    releases.add('the HTTP server', () => app.close());
    const url = await app.listen({ host: config.API_HOST, port: config.API_PORT });
    logger.info({ url }, 'serving');
    return { failed: new Promise<never>(() => undefined), stop: () => releases.releaseAll() };
  } catch (error) {
    await releases.releaseAll();
    throw error;
  }
});
