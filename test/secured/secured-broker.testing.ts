/** A real broker that is spoken to by TLS: one listener asks for a login, another for a certificate. */
import { join } from 'node:path';
import { cacheDirectory, ensureJvmParts } from '../../packages/dev-stack/jvm/jvm-parts.mjs';
import { choosePorts } from '../../packages/dev-stack/src/data-dir/ports.ts';
import { kafkaPart, type KafkaUser } from '../../packages/dev-stack/src/kafka/kafka-part.ts';
import { ServerPart } from '../../packages/dev-stack/src/process/server-part.ts';
import type { Authority } from './certificates.testing.ts';

const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';

export interface SecuredBroker {
  /** host:port where SCRAM over TLS is asked for. */
  readonly login: string;
  /** host:port where a certificate of the authority is asked for, and nothing else. */
  readonly certificate: string;
  /** host:port that speaks no TLS. */
  readonly plain: string;
  stop(): Promise<void>;
}

export async function startSecuredBroker(
  dir: string,
  authority: Authority,
  users: readonly KafkaUser[],
): Promise<SecuredBroker> {
  const { kafkaClassPath } = await ensureJvmParts({
    cacheDir: cacheDirectory(process.env),
    say: (line) => process.stderr.write(`${line}\n`),
  });
  const ports = await choosePorts(dir, ['plain', 'controller', 'login', 'certificate'], {});
  const { cert, key } = await authority.sign('broker');
  const broker = new ServerPart(
    kafkaPart({
      dir: join(dir, 'kafka'),
      port: ports.plain,
      controllerPort: ports.controller,
      classPath: kafkaClassPath,
      logPath: join(dir, 'kafka.log'),
      users,
      settings: {
        listeners: `PLAINTEXT://127.0.0.1:${ports.plain},CONTROLLER://127.0.0.1:${ports.controller},LOGIN://127.0.0.1:${ports.login},CERTIFICATE://127.0.0.1:${ports.certificate}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports.plain},LOGIN://localhost:${ports.login},CERTIFICATE://localhost:${ports.certificate}`,
        'listener.security.protocol.map':
          'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,CERTIFICATE:SSL',
        'sasl.enabled.mechanisms': 'SCRAM-SHA-512,SCRAM-SHA-256',
        'listener.name.login.scram-sha-512.sasl.jaas.config': SCRAM,
        'listener.name.login.scram-sha-256.sasl.jaas.config': SCRAM,
        'listener.name.certificate.ssl.client.auth': 'required',
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.certificate.chain': cert,
        'ssl.keystore.key': key,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.certificates': authority.ca,
      },
    }),
    () => undefined,
  );
  await broker.start();
  return {
    login: `localhost:${ports.login}`,
    certificate: `localhost:${ports.certificate}`,
    plain: `127.0.0.1:${ports.plain}`,
    stop: () => broker.stop(),
  };
}
