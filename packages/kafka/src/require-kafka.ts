/** Whether the brokers can be reached as configured, asked once before anything else is. */
import { ConfigError } from '@meterhouse/runtime';
import { createKafka, type KafkaConnection } from './client.ts';

/** Long enough for one broker that answers; who waits for Kafka asks again. */
const ANSWER_MS = 5_000;

/**
 * Connects to a broker and leaves it again.
 * @throws ConfigError where the broker answers and the login, or either side's certificate, is refused:
 *   waiting does not mend that. Any other error as it is: the broker may be away.
 */
export async function requireKafka(connection: KafkaConnection): Promise<void> {
  const admin = createKafka({
    ...connection,
    requestTimeoutMs: ANSWER_MS,
    retry: { retries: 0, initialRetryTime: 1, maxRetryTime: 1 },
    // What goes wrong is in the error that is thrown, once.
    logger: connection.logger.child({}, { level: 'silent' }),
  }).admin();
  try {
    await admin.connect();
  } catch (error) {
    const problem = refusal(error);
    throw problem === null ? error : new ConfigError([problem]);
  } finally {
    await admin.disconnect();
  }
}

/** Node's codes for a certificate that is not trusted. */
const UNTRUSTED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

/** In words with the variable's name; null where it may pass. */
function refusal(thrown: unknown): string | null {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error.name === 'KafkaJSSASLAuthenticationError')
      return `KAFKA_USERNAME, KAFKA_PASSWORD: the broker refuses the login: ${error.message}`;
    const code = 'code' in error ? String(error.code) : '';
    const where = 'broker' in error ? `the broker ${String(error.broker)}` : 'the broker';
    if (UNTRUSTED.has(code))
      return `KAFKA_CA_FILE: ${where} shows a certificate of somebody who is not trusted (${code})`;
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
      return `KAFKA_BROKERS: ${where} shows a certificate with another name (${code})`;
    if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
      return `KAFKA_TLS: ${where} shows a certificate that is not valid today (${code})`;
    if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
      return `KAFKA_TLS: ${where} does not speak TLS (${code})`;
    if (/^ERR_SSL_.*_ALERT_.*(CERTIFICATE|UNKNOWN_CA)/.test(code))
      return `KAFKA_CERT_FILE: ${where} refuses our certificate, or the lack of one (${code})`;
  }
  return null;
}
