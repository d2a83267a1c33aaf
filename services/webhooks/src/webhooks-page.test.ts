/**
 * Guarantees: the receiver in docs/enforcement/webhooks.md, run as it stands there, takes what we send, once,
 * and nothing that another secret signed; the example of a message is a message; the waits and settings that
 * the page tells are those of the code.
 */
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { waitFor } from '@meterhouse/runtime';
import { webhookEvent, SUBSCRIBABLE } from '@meterhouse/webhooks';
import { expect, onTestFinished, test } from 'vitest';
import { BOUNDS } from './bounds.ts';
import { DEADLINE_MS, webhookBed } from './testing/webhook-bed.ts';

const page = await readFile(new URL('../../../docs/enforcement/webhooks.md', import.meta.url), 'utf8');

function block(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1];
  if (found === undefined) throw new Error(`the page has no ${language} block`);
  return found;
}

type Receive = (secret: string, handle: (event: unknown) => void) => Server;

/** Beside the tests, so that it finds the library. */
async function pagesReceiver(): Promise<Receive> {
  const folder = await mkdtemp(fileURLToPath(new URL('./page-', import.meta.url)));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = `${folder}/receiver.ts`;
  await writeFile(file, block('ts'));
  const { receiver } = (await import(pathToFileURL(file).href)) as { receiver: Receive };
  return receiver;
}

test('the page’s receiver takes what we send, once, and nothing that another secret signed', async () => {
  const bed = await webhookBed();
  const receiver = await pagesReceiver();
  const handled: unknown[] = [];
  const listen = async (secret: string): Promise<void> => {
    const server = receiver(secret, (event) => handled.push(event)).listen(port, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    ({ port } = server.address() as AddressInfo);
  };
  let port = 0;
  const webhook = await bed.subscribe('http://127.0.0.1:1/');
  await listen(webhook.secret);
  const to = (url: string) =>
    bed.changeLog.pool.query('UPDATE meterhouse.webhook_subscriptions SET url = $1', [url]);
  await to(`http://127.0.0.1:${port}/`);
  await bed.enqueue(webhook);
  bed.worker({ bounds: { retryCeilingsMs: [] } });
  await bed.untilStates({ delivered: 1 });
  await waitFor('the event', () => (handled.length === 1 ? true : undefined), { deadlineMs: DEADLINE_MS });
  // Sent once more, with the id it had.
  await bed.changeLog.pool.query(
    `UPDATE meterhouse.webhook_deliveries SET state = 'pending', next_attempt_at = now(), ended_at = NULL`,
  );
  await bed.untilStates({ delivered: 1 });
  expect(webhookEvent.parse(handled[0])).toMatchObject({ type: 'webhook.ping' });
  expect(handled.length).toBe(1);

  const other = await bed.subscribe(`http://127.0.0.1:${port}/`);
  await bed.enqueue(other);
  const rows = await bed.untilStates({ delivered: 1, dead: 1 });
  expect(rows.find(({ state }) => state === 'dead')).toMatchObject({ last_status: 401 });
});

test('what the page tells is what the code does', () => {
  expect(webhookEvent.parse(JSON.parse(block('json')))).toEqual(JSON.parse(block('json')));
  for (const type of SUBSCRIBABLE) expect(page).toContain(`| \`${type}\``);
  const waits = BOUNDS.retryCeilingsMs.map((ms) => ms / 1_000);
  expect(waits).toEqual([30, 120, 600, 3_600, 14_400, 36_000, 36_000]);
  expect(page).toContain('tried again seven times');
  expect(page).toContain('30 s, 2 min, 10 min, 1 h, 4 h, 10 h, 10 h');
  expect(page).toContain(`within ${BOUNDS.send.timeoutMs / 1_000} seconds`);
});
