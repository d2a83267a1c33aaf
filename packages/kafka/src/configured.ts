/** From the variables to a connection. */
import { readFileSync } from 'node:fs';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ConfigError, type KafkaConfiguration } from '@meterhouse/runtime';
import type { KafkaConnection, KafkaLogin, KafkaTls } from './client.ts';

/** What the variables say of a connection. */
export type KafkaAccess = Pick<KafkaConnection, 'brokers' | 'tls' | 'login'>;

const MECHANISMS = {
  PLAIN: 'plain',
  'SCRAM-SHA-256': 'scram-sha-256',
  'SCRAM-SHA-512': 'scram-sha-512',
} as const;

/** @throws ConfigError naming every file that cannot be used, and a password that would go unencrypted */
export function configuredKafka(config: KafkaConfiguration): KafkaAccess {
  const problems: string[] = [];
  const read = (name: FileVariable, check: (pem: string) => unknown): string | undefined => {
    const path = config[name];
    if (path === undefined) return undefined;
    try {
      const pem = readFileSync(path, 'utf8');
      check(pem);
      return pem;
    } catch (error) {
      problems.push(`${name}: ${whyUnusable(error)}`);
      return undefined;
    }
  };
  const isCertificate = (pem: string): X509Certificate => new X509Certificate(pem);
  const files = {
    ca: read('KAFKA_CA_FILE', isCertificate),
    cert: read('KAFKA_CERT_FILE', isCertificate),
    key: read('KAFKA_KEY_FILE', (pem) => createPrivateKey(pem)),
  };
  const login = configuredLogin(config);
  if (login?.mechanism === 'plain' && !config.KAFKA_TLS)
    problems.push('KAFKA_SASL_MECHANISM: PLAIN sends the password as it is, so it needs KAFKA_TLS=true');
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    brokers: config.KAFKA_BROKERS,
    ...(config.KAFKA_TLS ? { tls: given(files) } : {}),
    ...(login === null ? {} : { login }),
  };
}

type FileVariable = 'KAFKA_CA_FILE' | 'KAFKA_CERT_FILE' | 'KAFKA_KEY_FILE';

function configuredLogin(config: KafkaConfiguration): KafkaLogin | null {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = config;
  if (mechanism === undefined || username === undefined || password === undefined) return null;
  return { mechanism: MECHANISMS[mechanism], username, password };
}

function given(files: Readonly<Record<keyof KafkaTls, string | undefined>>): KafkaTls {
  return Object.fromEntries(Object.entries(files).filter(([, pem]) => pem !== undefined));
}

/** Never the content: it may be a key. */
function whyUnusable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^E[A-Z]+$/.test(code) ? `the file cannot be read (${code})` : 'the file is not in PEM';
}
