/**
 * Guarantee: no password reaches the log: not from a field, a message, an error's message, stack, cause or
 * fields, whoever wrote it; and innocent text stays as it is.
 */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createScrub, passwordsIn } from './secrets.ts';

const SECRET = 'k0rrekt-horse';

test.each([
  `connect to postgresql://ann:${SECRET}@db:5432/meterhouse failed`,
  `getaddrinfo ENOTFOUND http://${SECRET}@clickhouse:8123/?query=SELECT`,
  `Invalid URL "http://ann:${SECRET}@odd@clickhouse"`,
  `http://clickhouse:8123/?user=ann&password=${SECRET}&database=m`,
  `connection to server failed: host=db user=ann password=${SECRET} dbname=m`,
])('what looks like a credential is cut out: %s', (text) => {
  const clean = createScrub()(text);
  expect(clean).not.toContain(SECRET);
  expect(clean).toContain('[redacted]');
});

test('a known secret is cut out wherever it stands and however it is written', () => {
  const secret = 'p"w/ö ü';
  const scrub = createScrub([secret]);
  const forms = [secret, JSON.stringify(secret), encodeURIComponent(secret)];
  for (const form of forms) expect(scrub(`access denied for ${form}.`)).not.toContain(form);
});

test('text without secrets stays as it is', () => {
  const innocent = [
    'see https://example.com/a@b?c=d#e for ann@example.com',
    'offset 12@34, partition 3: kafka:9092',
    '{"time":"2026-11-23T00:00:00Z","msg":"password wrong"}',
  ];
  for (const text of innocent) expect(createScrub(['hunter22'])(text)).toBe(text);
});

test('passwords of a URL are known as they are written and as they are meant', () => {
  expect(passwordsIn('postgresql://ann:a%2Fb%C3%B6@db/m')).toEqual(['a%2Fb%C3%B6', 'a/bö']);
  expect(passwordsIn('http://ann@db')).toEqual([]);
  expect(passwordsIn('http://ann:100%25off@db')).toEqual(['100%25off', '100%off']);
});

test('errors of libraries come out clean, with their causes and fields', () => {
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      done();
    },
  });
  const logger = pino({ hooks: { streamWrite: createScrub([SECRET]) } }, sink);
  const error = Object.assign(
    new Error(`connect postgresql://ann:${SECRET}@db`, { cause: new Error(`${SECRET}?`) }),
    { input: `http://x:${SECRET}@y`, config: { auth: { token: SECRET } } },
  );
  logger.child({ part: SECRET }).error({ err: error, settings: [SECRET] }, `failed with ${SECRET}`);
  expect(lines).toHaveLength(1);
  expect(lines.join('')).not.toContain(SECRET);
  expect(JSON.parse(lines.join(''))).toMatchObject({ msg: 'failed with [redacted]' });
});
