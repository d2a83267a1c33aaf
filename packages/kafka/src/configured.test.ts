/**
 * From variables to a connection to Kafka. Guarantees:
 * - Without any there is neither TLS nor a login, and with all of them there are both.
 * - What is given in part, cannot be read or is not PEM is said by the variable's name, all at once.
 * - A password is never sent as it is over a connection that is not encrypted.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafkaVariables, parseConfig } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { configuredKafka } from './configured.ts';

const BROKERS = { KAFKA_BROKERS: 'a:9092, b:9092' };
const LOGIN = { KAFKA_USERNAME: 'ann', KAFKA_PASSWORD: 'secret' };

const configured = (variables: Record<string, string>) =>
  configuredKafka(parseConfig(kafkaVariables, { ...BROKERS, ...variables }));

test('nothing asked for, and everything', () => {
  expect(configured({})).toEqual({ brokers: ['a:9092', 'b:9092'] });
  expect(configured({ KAFKA_TLS: 'true', KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512', ...LOGIN })).toEqual({
    brokers: ['a:9092', 'b:9092'],
    tls: {},
    login: { mechanism: 'scram-sha-512', username: 'ann', password: 'secret' },
  });
});

test.each<[Record<string, string>, string[]]>([
  [{ KAFKA_SASL_MECHANISM: 'PLAIN' }, ['KAFKA_SASL_MECHANISM: needs KAFKA_USERNAME and KAFKA_PASSWORD too']],
  [
    LOGIN,
    ['KAFKA_USERNAME: needs KAFKA_SASL_MECHANISM too', 'KAFKA_PASSWORD: needs KAFKA_SASL_MECHANISM too'],
  ],
  [{ KAFKA_CA_FILE: '/x', KAFKA_TLS: 'perhaps' }, ['KAFKA_TLS: ']],
  [{ KAFKA_CA_FILE: '/x' }, ['KAFKA_CA_FILE: needs KAFKA_TLS too']],
  [{ KAFKA_CERT_FILE: '/x' }, ['KAFKA_CERT_FILE: needs KAFKA_TLS and KAFKA_KEY_FILE too']],
  [{ KAFKA_SASL_MECHANISM: 'PLAIN', ...LOGIN }, ['KAFKA_SASL_MECHANISM: PLAIN sends the password as it is']],
])('%j is refused', (variables, problems) => {
  for (const problem of problems) expect(() => configured(variables)).toThrow(problem);
});

test('files that cannot be used are all named, without what is in them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-pem-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'not.pem');
  await writeFile(path, 'hunter22');
  const files = { KAFKA_CA_FILE: join(folder, 'none.pem'), KAFKA_CERT_FILE: path, KAFKA_KEY_FILE: path };
  expect(() => configured({ KAFKA_TLS: 'true', ...files })).toThrow(
    [
      'configuration is not usable:',
      '  KAFKA_CA_FILE: the file cannot be read (ENOENT)',
      '  KAFKA_CERT_FILE: the file is not in PEM',
      '  KAFKA_KEY_FILE: the file is not in PEM',
    ].join('\n'),
  );
});
