/** Every variable that the API reads. */
import {
  ConfigError,
  kafkaVariables,
  processVariables,
  storeVariables,
  wholeNumber,
} from '@meterhouse/runtime';
import { webhookVariables } from '@meterhouse/webhooks';
import { z } from 'zod';
import { remoteIssuer, type TokenIssuer } from './access/tokens.ts';

const {
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  QUOTA_DECISIONS_TOPIC,
} = storeVariables;

export const PURPOSE = 'takes events, answers about usage and limits, and decides, over HTTP.';

const path = z.string().min(1).optional();

export const variables = {
  ...kafkaVariables,
  SCHEMA_REGISTRY_URL,
  DATABASE_URL,
  USAGE_EVENTS_TOPIC,
  USAGE_SNAPSHOTS_TOPIC,
  QUOTA_DECISIONS_TOPIC,
  API_HOST: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  API_PORT: wholeNumber(0, 65_535).default(8080).describe('Port to listen on; 0 takes a free one.'),
  TLS_CERT_FILE: path.meta({
    description: 'Certificate chain in PEM. Without it the API speaks plain HTTP, behind a proxy.',
    requires: ['TLS_KEY_FILE'],
  }),
  TLS_KEY_FILE: path.meta({ description: 'Its private key in PEM.', requires: ['TLS_CERT_FILE'] }),
  OIDC_ISSUER: z
    .url()
    .optional()
    .meta({
      description: 'Issuer whose tokens are taken besides keys; none without it.',
      requires: ['OIDC_AUDIENCE', 'OIDC_JWKS_URL'],
    }),
  OIDC_AUDIENCE: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'Audience that its tokens must name.', requires: ['OIDC_ISSUER', 'OIDC_JWKS_URL'] }),
  OIDC_JWKS_URL: z
    .url()
    .optional()
    .meta({ description: "Where the issuer's keys are.", requires: ['OIDC_ISSUER', 'OIDC_AUDIENCE'] }),
  REDIS_URL: z
    .url()
    .optional()
    .meta({ secret: true })
    .describe('Where rates are counted over all processes; without it each process counts for itself.'),
  API_KEY_REQUESTS_PER_SECOND: wholeNumber(1, 1_000_000)
    .default(200)
    .describe('Requests a second for each key or token, with bursts of five seconds.'),
  WEBHOOK_SECRET_KEY: webhookVariables.WEBHOOK_SECRET_KEY.optional().meta({
    description:
      'Key that the secrets of webhooks are sealed with, the same as the webhooks service has; without it none can be made.',
    secret: 'whole',
  }),
  WEBHOOK_ALLOWED_NETWORKS: webhookVariables.WEBHOOK_ALLOWED_NETWORKS,
  WEBHOOKS_PER_TENANT: wholeNumber(1, 1_000).default(20).describe('Webhooks that a tenant may have.'),
  ...processVariables,
};

export type Configuration = z.infer<z.ZodObject<typeof variables>>;

interface TlsVariables {
  readonly TLS_CERT_FILE?: string | undefined;
  readonly TLS_KEY_FILE?: string | undefined;
}

/** What node:https takes; TLS 1.2 and later only. */
export interface Tls {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: 'TLSv1.2';
}

/**
 * @returns null for plain HTTP
 * @throws ConfigError where only one of the two is given
 */
export async function configuredTls(
  config: TlsVariables,
  read: (path: string) => Promise<Buffer>,
): Promise<Tls | null> {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  if (certFile === undefined && keyFile === undefined) return null;
  if (certFile === undefined || keyFile === undefined)
    throw new ConfigError(['TLS_CERT_FILE, TLS_KEY_FILE: give both, or neither']);
  return { cert: await read(certFile), key: await read(keyFile), minVersion: 'TLSv1.2' };
}

interface IssuerVariables {
  readonly OIDC_ISSUER?: string | undefined;
  readonly OIDC_AUDIENCE?: string | undefined;
  readonly OIDC_JWKS_URL?: string | undefined;
}

/**
 * @returns null where no issuer is named: only keys are taken
 * @throws ConfigError where it is named in part
 */
export function configuredIssuer(config: IssuerVariables): TokenIssuer | null {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_JWKS_URL: jwksUrl } = config;
  if (issuer === undefined && audience === undefined && jwksUrl === undefined) return null;
  if (issuer === undefined || audience === undefined || jwksUrl === undefined)
    throw new ConfigError(['OIDC_ISSUER, OIDC_AUDIENCE, OIDC_JWKS_URL: give all three, or none']);
  return remoteIssuer(issuer, audience, jwksUrl);
}
