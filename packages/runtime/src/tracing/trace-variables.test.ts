/**
 * Guarantees of the variables of traces:
 * - The share is a number from 0 to 1; headers are names and values as OpenTelemetry writes them; all else is
 *   said by the variable's name, without its value.
 * - Headers for a collector that is not named are refused.
 * - A header's value counts as a secret, also by itself.
 */
import { expect, test } from 'vitest';
import { secretsOf } from '../config-variables.ts';
import { ConfigError, parseConfig, processVariables } from '../config.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example:4318' };
const parse = (env: Record<string, string>) => parseConfig(processVariables, env);

test('nothing given: off, and all of what were begun would be kept', () => {
  expect(parse({})).toMatchObject({ OTEL_TRACES_SAMPLER_ARG: 1 });
  expect(parse({}).OTEL_EXPORTER_OTLP_ENDPOINT).toBe(undefined);
});

test('headers are pairs, percent-encoded; their values are secrets', () => {
  const config = parse({
    ...ENDPOINT,
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20hunter22, x-team = a=b',
  });
  expect(config.OTEL_EXPORTER_OTLP_HEADERS).toEqual({ authorization: 'Bearer hunter22', 'x-team': 'a=b' });
  expect(secretsOf(processVariables, config)).toEqual(['Bearer hunter22', 'a=b']);
});

test.each([
  ['OTEL_TRACES_SAMPLER_ARG', { OTEL_TRACES_SAMPLER_ARG: '1.01' }],
  ['OTEL_TRACES_SAMPLER_ARG', { OTEL_TRACES_SAMPLER_ARG: 'hunter22' }],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', { OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://hunter22' }],
  ['OTEL_EXPORTER_OTLP_HEADERS', { ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'hunter22' }],
  ['OTEL_EXPORTER_OTLP_HEADERS', { OTEL_EXPORTER_OTLP_HEADERS: 'x=hunter22' }],
])('%s is refused by name', (name, env) => {
  let said = '';
  try {
    parse(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    said = error.message;
  }
  expect(said).toContain(`${name}: `);
  expect(said).not.toContain('hunter22');
});
