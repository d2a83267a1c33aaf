/**
 * Guarantees, in a real browser:
 * - `/docs` shows our name and every group of operations, loads nothing from elsewhere, and logs no error but
 *   refused styles
 * - "Try it out" sends a request with the key that was given, and shows the answer
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ICON, LOGO } from '../../services/api/src/documentation/logo.ts';
import { exampleWorld, type World } from '../contract/world.ts';

const BROWSER = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const missing = existsSync(BROWSER) ? null : `this machine has no ${BROWSER} (or CHROMIUM_PATH)`;
const SHOTS = 'node_modules/.cache/api-page';

let world: World | undefined;
let browser: Browser | undefined;
beforeAll(async () => {
  if (missing !== null) return;
  world = await exampleWorld();
  browser = await chromium.launch({
    executablePath: BROWSER,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
    timeout: 90_000,
  });
  await mkdir(SHOTS, { recursive: true });
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

it.skipIf(missing !== null)(
  missing === null ? 'the page is read, and a request is tried on it' : `the page: skipped, as ${missing}`,
  async () => {
    if (browser === undefined || world === undefined) throw new Error('nothing was started');
    const { url } = world.api;
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(60_000);
    const strange: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) strange.push(request.url());
    });
    page.on('console', (message) => {
      // Styles that the page's library puts into elements are refused by the page's own policy, as they
      // should be; it does without.
      const refused = message.text().startsWith('Applying inline style violates');
      if (message.type() === 'error' && !refused) strange.push(message.text());
    });
    page.on('pageerror', (error) => strange.push(error.message));

    await page.goto(`${url}/docs`);
    await page.locator('#operations-registry-listTenants').waitFor();
    const logo = page.locator('.topbar img');
    const [type, content] = (await logo.getAttribute('src'))?.split(';base64,') ?? [];
    expect([type, Buffer.from(content ?? '', 'base64').toString()]).toEqual(['data:image/svg+xml', LOGO]);
    // Of a width: the page's own policy lets it be drawn.
    expect(await page.evaluate(`document.querySelector('.topbar img').naturalWidth`)).toBeGreaterThan(0);
    const icon = await page.locator('link[rel=icon]').getAttribute('href');
    expect(await (await fetch(new URL(icon ?? '', page.url()))).text()).toBe(ICON);
    const tags = await page.locator('.opblock-tag > a').allInnerTexts();
    expect(tags).toEqual([
      ...[
        'events',
        'usage',
        'decisions',
        'registry',
        'capacity',
        'quarantine',
        'webhooks',
        'access',
        'health',
      ],
    ]);
    await page.screenshot({ path: `${SHOTS}/page.png` });

    await page.locator('.auth-wrapper .authorize').first().click();
    await page.locator('.modal-ux input').fill('platform');
    await page.locator('.modal-ux .auth.authorize').click();
    await page.locator('.modal-ux .btn-done').click();
    const operation = page.locator('#operations-registry-getTenant');
    await operation.locator('.opblock-summary-control').click();
    await operation.locator('.try-out__btn').click();
    await operation.locator('input[placeholder="id"]').fill('acme');
    await operation.locator('.execute').click();
    const answer = operation.locator('.live-responses-table');
    await answer.waitFor();
    expect(await answer.locator('.response-col_status').last().innerText()).toContain('200');
    expect(await answer.innerText()).toContain('"id": "acme"');
    await operation.scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${SHOTS}/tried.png` });
    expect(strange).toEqual([]);
  },
  // A browser beside everything else on a small machine.
  240_000,
);
