/**
 * The chart, through the real Helm. Guarantees:
 * - Lint finds nothing, and what is rendered is right by Kubernetes' own schemas, to the last field.
 * - The schema is brought up to date first.
 * - Each service is given every variable that it requires, and none that it does not know.
 * - The relay is there where it was asked for, with the brokers that its destination needs.
 * - Every pod is confined: not root, a root file system that is read-only, no capabilities, no token.
 * - Kubernetes waits longer for a stop than the service does; no change takes more than one pod of a service.
 * - Values that cannot work, and misspelt ones, are refused by name.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { describeVariables } from '@meterhouse/runtime/service';
import { SERVICES } from '../docs/configuration-tables.ts';
import { CHART, HOOK, runHelm, type HelmRun, type Manifest } from './helm.testing.ts';
import { problemsOf } from './kubernetes-schemas.testing.ts';

const REQUIRED = {
  image: { repository: 'registry.example/meterhouse' },
  existingSecret: 'meterhouse',
  kafka: { brokers: ['kafka-0.kafka:9093', 'kafka-1.kafka:9093'] },
};
const EVERYTHING = {
  ...REQUIRED,
  image: { ...REQUIRED.image, digest: `sha256:${'a'.repeat(64)}`, pullSecrets: ['pull'] },
  kafka: {
    ...REQUIRED.kafka,
    tls: { enabled: true, caSecret: 'kafka-ca', clientCertSecret: 'kafka-client' },
    sasl: { mechanism: 'SCRAM-SHA-512' },
  },
  clickhouse: { cluster: 'usage' },
  trust: { configMap: 'authorities' },
  drainTimeoutSeconds: 45,
  services: {
    aggregator: { env: { FLUSH_MAX_EVENTS: '2500' }, autoscaling: { enabled: true } },
    api: { existingSecret: 'meterhouse-api', env: { OIDC_JWKS_URL: 'https://issuer.example/keys' } },
  },
  relay: { enabled: true },
  api: {
    redis: true,
    tlsSecret: 'api-tls',
    ingress: { enabled: true, host: 'usage.example', tlsSecret: 'web' },
  },
  networkPolicy: { storePeers: [{ ipBlock: { cidr: '10.2.0.0/16' } }], apiFrom: [{ podSelector: {} }] },
  podLabels: { team: 'usage' },
  podAnnotations: { note: 'x' },
  nodeSelector: { pool: 'usage' },
  tolerations: [{ key: 'usage', operator: 'Exists' }],
  priorityClassName: 'high',
  monitoring: {
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    prometheusRule: { enabled: true },
    dashboards: { enabled: true },
  },
};
const services = (name: string, values: object): object => ({ ...REQUIRED, services: { [name]: values } });
/** Each with what Helm must say of it. */
const REFUSED: Readonly<Record<string, readonly [object, RegExp]>> = {
  'nothing at all': [{}, /repository.*existingSecret|existingSecret|minLength/s],
  'no name of a cluster': [{ ...REQUIRED, clickhouse: { cluster: 'a b' } }, /clickhouse.cluster/],
  'no brokers': [{ ...REQUIRED, kafka: { brokers: [] } }, /kafka.brokers|\/kafka\/brokers/],
  'more workers than partitions': [
    services('aggregator', { replicas: 5 }),
    /replicas is 5.*has 4 partitions/,
  ],
  'scaling to more workers than partitions': [
    services('aggregator', { autoscaling: { enabled: true, maxReplicas: 9 } }),
    /maxReplicas is 9.*has 4 partitions/,
  ],
  'more keepers than partitions': [
    services('decision-log', { replicas: 4 }),
    /replicas is 4.*has 3 partitions/,
  ],
  'certificates without TLS': [
    { ...REQUIRED, kafka: { ...REQUIRED.kafka, tls: { caSecret: 'x' } } },
    /nothing would be encrypted/,
  ],
  'a password in the clear': [
    { ...REQUIRED, kafka: { ...REQUIRED.kafka, sasl: { mechanism: 'PLAIN' } } },
    /sends the password as it is/,
  ],
  'a variable that nobody reads': [services('api', { env: { FLUSH_MAX_EVENTS: '1' } }), /FLUSH_MAX_EVENTS/],
  'a variable that has a value of its own': [services('api', { env: { KAFKA_TLS: 'no' } }), /KAFKA_TLS/],
  'a relay to nowhere': [{ ...REQUIRED, relay: { enabled: true, to: 'redis' } }, /\/relay\/to|relay.to/],
  'a misspelt value': [{ ...REQUIRED, drainTimeoutSecond: 3 }, /drainTimeoutSecond/],
};

type Case = 'required' | 'everything';
let run: HelmRun<string>;
beforeAll(async () => {
  const refused = Object.entries(REFUSED).map(([name, [values]]) => [name, values] as const);
  run = await runHelm({ required: REQUIRED, everything: EVERYTHING, ...Object.fromEntries(refused) });
}, 180_000);

function rendered(name: Case): readonly Manifest[] {
  const { manifests, refused } = run.renderings[name] ?? { refused: 'not rendered' };
  if (manifests === undefined) throw new Error(refused);
  return manifests;
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
}
interface Pod {
  readonly automountServiceAccountToken: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext: object;
  readonly volumes: readonly { readonly name: string }[];
  readonly containers: readonly [
    {
      readonly image: string;
      readonly command: readonly string[];
      readonly env: readonly Variable[];
      readonly securityContext: object;
      readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
    },
  ];
}

function podsOf(name: Case): { name: string; pod: Pod }[] {
  return rendered(name)
    .filter(({ kind }) => kind === 'Deployment' || kind === 'Job')
    .map((manifest) => ({
      name: manifest.metadata.labels?.['app.kubernetes.io/component'] ?? '',
      pod: (manifest.spec as { template: { spec: Pod } }).template.spec,
    }));
}

test('lint finds nothing', () => {
  expect(run.lint.split('\n').filter((line) => line !== '' && !line.includes('icon is recommended'))).toEqual(
    [],
  );
});

test.each<Case>(['required', 'everything'])('%s: right by the schemas of Kubernetes', async (name) => {
  const wrong: string[] = [];
  for (const manifest of rendered(name))
    for (const problem of await problemsOf(manifest))
      wrong.push(`${manifest.kind} ${manifest.metadata.name}: ${problem}`);
  expect(wrong).toEqual([]);
  const kinds = new Set(rendered(name).map(({ kind }) => kind));
  for (const kind of ['Deployment', 'PodDisruptionBudget', 'ServiceAccount', 'NetworkPolicy', 'Job'])
    expect(kinds).toContain(kind);
  for (const kind of ['ServiceMonitor', 'PrometheusRule', 'Ingress', 'ConfigMap'])
    expect(kinds.has(kind), kind).toBe(name === 'everything');
});

test.each<Case>(['required', 'everything'])('%s: each service is told what it has to be told', (name) => {
  const pods = new Map(podsOf(name).map((each) => [each.name, each.pod]));
  for (const [service, { variables }] of Object.entries(SERVICES)) {
    const container = pods.get(service)?.containers[0];
    if (service === 'relay' && name === 'required') {
      expect(container).toBeUndefined();
      continue;
    }
    expect(container?.command.at(-1)).toBe(`services/${service}/src/main.ts`);
    const given = new Set(container?.env.map((variable) => variable.name));
    expect(given.size).toBe(container?.env.length);
    const known = describeVariables(variables);
    for (const { name: variable, fallback } of known)
      if (fallback === null) expect(given).toContain(variable);
    const names = new Set(known.map((variable) => variable.name));
    // Node's own.
    names.add('NODE_EXTRA_CA_CERTS');
    expect([...given].filter((variable) => !names.has(variable))).toEqual([]);
  }
});

test('a relay to Kafka is given what that needs', () => {
  const relay = podsOf('everything').find(({ name }) => name === 'relay');
  const variables = new Map(relay?.pod.containers[0].env.map((each) => [each.name, each]));
  expect(variables.get('RELAY_TO')?.value).toBe('kafka');
  expect(variables.get('KAFKA_BROKERS')?.value).toBe(REQUIRED.kafka.brokers.join(','));
  expect(variables.get('SCHEMA_REGISTRY_URL')?.valueFrom).toBeDefined();
  expect(variables.get('USAGE_EVENTS_TOPIC')?.value).toBe('usage_events');
});

test('the mirror hears of a cluster where one is named', () => {
  const cluster = (name: Case): string | undefined =>
    podsOf(name)
      .find((each) => each.name === 'aggregator')
      ?.pod.containers[0].env.find((variable) => variable.name === 'CLICKHOUSE_CLUSTER')?.value;
  expect(cluster('required')).toBeUndefined();
  expect(cluster('everything')).toBe('usage');
});

test('the schema is brought up to date before anything else is installed or upgraded', async () => {
  expect(await readFile(join(CHART, 'templates', 'migration.yaml'), 'utf8')).toMatch(HOOK);
  const job = podsOf('everything').find(({ name }) => name === 'migration');
  expect(job?.pod.containers[0].command).toContain('migrate');
});

test('secrets are never values, and come from the secret that the service was given', () => {
  for (const { name, pod } of podsOf('everything'))
    for (const { name: variable, value, valueFrom } of pod.containers[0].env) {
      const secret = /PASSWORD|USERNAME|_URL$|SECRET_KEY/.test(variable) && variable !== 'OIDC_JWKS_URL';
      expect(value === undefined, variable).toBe(secret);
      if (valueFrom !== undefined)
        expect(valueFrom.secretKeyRef).toEqual({
          name: name === 'api' ? 'meterhouse-api' : 'meterhouse',
          key: variable,
        });
    }
});

test('every pod is confined, and has the files that its variables name', () => {
  for (const { pod } of podsOf('everything')) {
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    const [container] = pod.containers;
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.image).toMatch(/@sha256:a{64}$/);
    const mounts = container.volumeMounts.map(({ mountPath }) => mountPath);
    for (const { value } of container.env)
      if (value?.startsWith('/') === true) expect(mounts).toContain(value.slice(0, value.lastIndexOf('/')));
    expect(container.volumeMounts.map((mount) => mount.name)).toEqual(
      pod.volumes.map((volume) => volume.name),
    );
  }
});

test('Kubernetes waits longer than the drain, and takes one pod of a service at a time', () => {
  for (const { pod } of podsOf('everything').filter(({ name }) => name in SERVICES)) {
    expect(pod.containers[0].env).toContainEqual({ name: 'DRAIN_TIMEOUT_MS', value: '45000' });
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(50);
  }
  const budgets = rendered('required').filter(({ kind }) => kind === 'PodDisruptionBudget');
  expect(budgets.map(({ spec }) => (spec as { maxUnavailable: number }).maxUnavailable)).toEqual([
    1, 1, 1, 1, 1,
  ]);
});

test.each(Object.keys(REFUSED))('refused: %s', (name) => {
  const refused = run.renderings[name]?.refused;
  expect(refused).toMatch(REFUSED[name]?.[1] ?? /never/);
});
