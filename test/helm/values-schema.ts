/** The schema of the chart's values, from what the services read: `npm run docs:generate` writes it. */
import { describeVariables } from '@meterhouse/runtime/service';
import type { z } from 'zod';
import { SERVICES } from '../docs/configuration-tables.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Only what is named is taken, so that a misspelt value is refused. */
function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return {
    type: 'object',
    additionalProperties: false,
    properties,
    ...(required.length > 0 && { required }),
  };
}

const text: Schema = { type: 'string' };
const name: Schema = { type: 'string', pattern: '^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$', maxLength: 253 };
const given: Schema = { type: 'string', minLength: 1 };
const flag: Schema = { type: 'boolean' };
const texts: Schema = { type: 'object', additionalProperties: { type: 'string' } };
const anything: Schema = { type: 'object' };
const list = (items: Schema, more: Schema = {}): Schema => ({ type: 'array', items, ...more });
const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum });

/** Variables that the chart sets itself, from values of their own. */
const SET_BY_CHART =
  /^(KAFKA_|TLS_|DATABASE_URL$|SCHEMA_REGISTRY_URL$|CLICKHOUSE_(URL|DATABASE|CLUSTER)$|REDIS_URL$|WEBHOOK_SECRET_KEY$|METRICS_|DRAIN_TIMEOUT_MS$|START_TIMEOUT_MS$|RELAY_TO$|LOG_LEVEL$|API_(HOST|PORT)$|USAGE_\w+_TOPIC$|QUOTA_\w+_TOPIC$)/;

const variablesOf = (shape: z.ZodRawShape): string[] => describeVariables(shape).map(({ name: of }) => of);

function service(shape: z.ZodRawShape, more: Readonly<Record<string, Schema>> = {}): Schema {
  const free = variablesOf(shape).filter((variable) => !SET_BY_CHART.test(variable));
  return object({
    replicas: whole(1, 1000),
    existingSecret: name,
    nodeFlags: list(given),
    env: object(Object.fromEntries(free.map((variable) => [variable, text]))),
    resources: anything,
    ...more,
  });
}

const scaling = { enabled: flag, minReplicas: whole(1, 1000), maxReplicas: whole(1, 1000) };

export function valuesSchema(): Schema {
  const topic = { name: given };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    ...object(
      {
        global: anything,
        image: object(
          {
            repository: given,
            tag: text,
            digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
            pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
            pullSecrets: list(name),
          },
          ['repository'],
        ),
        existingSecret: { ...name, minLength: 1 },
        kafka: object(
          {
            brokers: list({ type: 'string', pattern: '^.+:[0-9]+$' }, { minItems: 1 }),
            tls: object({ enabled: flag, caSecret: name, caKey: given, clientCertSecret: name }),
            sasl: object({ mechanism: { enum: ['', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] } }),
          },
          ['brokers'],
        ),
        topics: object({
          usageEvents: object({ ...topic, partitions: whole(1, 10_000) }),
          usageSnapshots: object(topic),
          quotaDecisions: object({ ...topic, partitions: whole(1, 10_000) }),
        }),
        clickhouse: object({
          database: given,
          cluster: { type: 'string', pattern: '^([A-Za-z_][A-Za-z0-9_-]{0,63})?$' },
        }),
        trust: object({ configMap: name, key: given }),
        logLevel: { enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] },
        drainTimeoutSeconds: whole(1, 600),
        startTimeoutSeconds: whole(1, 3600),
        migration: object({
          enabled: flag,
          existingSecret: name,
          deadlineSeconds: whole(1, 86_400),
          resources: anything,
        }),
        services: object({
          aggregator: service(SERVICES.aggregator.variables, {
            autoscaling: object({ ...scaling, metricName: given, eventsPerWorker: given }),
          }),
          'quota-snapshot': service(SERVICES['quota-snapshot'].variables),
          'decision-log': service(SERVICES['decision-log'].variables),
          webhooks: service(SERVICES.webhooks.variables),
          relay: service(SERVICES.relay.variables),
          api: service(SERVICES.api.variables, {
            autoscaling: object({ ...scaling, targetCPUUtilizationPercentage: whole(1, 100) }),
          }),
        }),
        relay: object({ enabled: flag, to: { enum: ['kafka', 'direct'] } }),
        api: object({
          redis: flag,
          tlsSecret: name,
          service: object({
            type: { enum: ['ClusterIP', 'NodePort', 'LoadBalancer'] },
            port: whole(1, 65_535),
            annotations: texts,
          }),
          ingress: object({
            enabled: flag,
            className: text,
            annotations: texts,
            host: text,
            tlsSecret: name,
          }),
        }),
        networkPolicy: object({
          enabled: flag,
          metricsFrom: list(anything),
          apiFrom: list(anything),
          storePeers: list(anything),
          storePorts: list(whole(1, 65_535), { minItems: 1 }),
          webhooksExcept: list(given),
        }),
        podAnnotations: texts,
        podLabels: texts,
        nodeSelector: texts,
        tolerations: list(anything),
        affinity: anything,
        priorityClassName: text,
        monitoring: object({
          serviceMonitor: object({ enabled: flag, interval: given, labels: texts }),
          prometheusRule: object({ enabled: flag, labels: texts }),
          dashboards: object({ enabled: flag, labels: texts }),
        }),
      },
      ['image', 'existingSecret', 'kafka'],
    ),
  };
}
