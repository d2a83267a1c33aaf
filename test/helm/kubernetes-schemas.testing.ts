/** Manifests against Kubernetes' own schemas, as npm packages have them. */
import type { Manifest } from './helm.testing.ts';

/** Compiled from a JSON Schema: what is wrong stands in `errors` afterwards. */
interface Validate {
  (manifest: unknown): boolean;
  readonly errors?: readonly { readonly instancePath: string; readonly message?: string }[] | null;
}

/** By their place: one of the packages keeps its schemas to itself, and its classes check a copy. */
const MODULES = new URL('../../node_modules/', import.meta.url);
const KUBERNETES = 'kubernetes-models/_schemas/IoK8sApi';
const OPERATOR =
  '@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoring';
const GROUPS: Readonly<Record<string, string>> = {
  v1: `${KUBERNETES}CoreV1`,
  'apps/v1': `${KUBERNETES}AppsV1`,
  'autoscaling/v2': `${KUBERNETES}AutoscalingV2`,
  'batch/v1': `${KUBERNETES}BatchV1`,
  'networking.k8s.io/v1': `${KUBERNETES}NetworkingV1`,
  'policy/v1': `${KUBERNETES}PolicyV1`,
  'monitoring.coreos.com/v1': `${OPERATOR}V1`,
};

/**
 * What is wrong with a manifest. The schemas ignore fields that they do not know, as the cluster would; a
 * misspelt field is one that validating never looked at.
 */
export async function problemsOf(manifest: Manifest): Promise<string[]> {
  const group = GROUPS[manifest.apiVersion];
  if (group === undefined) return [`no schema for ${manifest.apiVersion}`];
  const { validate } = (await import(new URL(`${group}${manifest.kind}.js`, MODULES).href)) as {
    validate: Validate;
  };
  const looked = new Set<string>();
  if (!validate(watched(manifest, '', looked)))
    return (validate.errors ?? []).map((error) => `${error.instancePath}: ${JSON.stringify(error)}`);
  return pathsOf(manifest, '')
    .filter((path) => !looked.has(path))
    .map((path) => `unknown field ${path}`);
}

/** Notes the path of every field that is read. */
function watched(value: unknown, path: string, looked: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get: (target, key) => {
      const of = `${path}/${String(key)}`;
      looked.add(of);
      return watched(Reflect.get(target, key) as unknown, of, looked);
    },
  });
}

/** Of every field, also of what lies in lists and maps. */
function pathsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, field]) => [
    `${path}/${key}`,
    ...pathsOf(field, `${path}/${key}`),
  ]);
}
