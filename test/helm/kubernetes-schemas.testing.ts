/** Manifests against Kubernetes' own schemas, as npm packages have them. */
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as apps from 'kubernetes-models/apps/v1';
import * as autoscaling from 'kubernetes-models/autoscaling/v2';
import * as batch from 'kubernetes-models/batch/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import type { Manifest } from './helm.testing.ts';

type Model = new (manifest: never) => { validate(): void };

const GROUPS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  v1: core,
  'apps/v1': apps,
  'autoscaling/v2': autoscaling,
  'batch/v1': batch,
  'networking.k8s.io/v1': networking,
  'policy/v1': policy,
  'monitoring.coreos.com/v1': monitoring,
};

/**
 * What is wrong with a manifest. The schemas ignore fields that they do not know, as the cluster would; a
 * misspelt field is one that validating never looked at.
 */
export function problemsOf(manifest: Manifest): string[] {
  const model = GROUPS[manifest.apiVersion]?.[manifest.kind] as Model | undefined;
  if (model === undefined) return [`no schema for ${manifest.apiVersion} ${manifest.kind}`];
  const looked = new Set<string>();
  try {
    new model(watched(manifest, '', looked) as never).validate();
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
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

function pathsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, field]) => [
    `${path}/${key}`,
    ...pathsOf(field, `${path}/${key}`),
  ]);
}
