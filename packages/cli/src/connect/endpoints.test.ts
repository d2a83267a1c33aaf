/**
 * Guarantees:
 * - flags stand above a named folder, a named folder above variables, variables above the default folder
 * - variables and a folder are never mixed into one system
 * - what is missing is said together with how to say it; passwords are not
 */
import { expect, test } from 'vitest';
import { brokerList, resolveEndpoints, withoutSecrets } from './endpoints.ts';

const file = JSON.stringify({
  kafka: 'f:1',
  schemaRegistry: 'http://f',
  postgres: 'pg-f',
  clickhouse: 'ch-f',
  pids: {},
});
const files =
  (paths: Record<string, string>) =>
  (path: string): string | null =>
    paths[path] ?? null;

test('precedence', () => {
  const env = { KAFKA_BROKERS: 'e:1', DATABASE_URL: 'pg-e' };
  const read = files({ 'd/endpoints.json': file, '.meterhouse/endpoints.json': file });
  const from = (flags: object, dataDir: string | null, variables: object) =>
    resolveEndpoints({ flags, dataDir, env: { ...variables } }, read);
  expect(from({ kafka: 'x:1' }, 'd', env).urlOf('kafka')).toBe('x:1');
  expect(from({}, 'd', env).urlOf('kafka')).toBe('f:1');
  expect(from({}, null, env).urlOf('kafka')).toBe('e:1');
  expect(from({}, null, {}).urlOf('kafka')).toBe('f:1');
  expect(from({}, null, { KAFKA_BROKERS: '' }).urlOf('kafka')).toBe('f:1');
  expect(() => from({}, null, env).urlOf('clickhouse')).toThrow('CLICKHOUSE_URL is not set');
});

test('a folder without a stack, or with half of one', () => {
  const at = (text: string | null) =>
    resolveEndpoints({ flags: {}, dataDir: 'd', env: {} }, () => text).urlOf('kafka');
  expect(() => at(null)).toThrow('no stack runs in d');
  expect(() => at('{')).toThrow('is not JSON');
  expect(() => at('{"kafka":"x"}')).toThrow('does not name all');
});

test('brokers and secrets', () => {
  expect(brokerList(' a:1, b:2,')).toEqual(['a:1', 'b:2']);
  expect(() => brokerList(' ')).toThrow();
  expect(withoutSecrets('postgresql://user:secret@host:5432/db?sslkey=x')).toBe('postgresql://host:5432/db');
  expect(withoutSecrets('user:secret@host')).not.toContain('secret');
});
