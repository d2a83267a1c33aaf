/** What a service's metrics port says, for tests. */

export interface Scrape {
  /** Of every metric that is announced, also where it has no sample. */
  readonly names: ReadonlySet<string>;
  /** Undefined where there is no such sample. Labels that are not named do not matter. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;

/** @param url of the metrics port */
export async function scrape(url: string): Promise<Scrape> {
  const response = await fetch(`${url}/metrics`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}/metrics answered ${response.status}: ${text}`);
  const samples = text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    return name === undefined ? [] : [{ name, labels, value: Number(value) }];
  });
  return {
    names: new Set(Array.from(text.matchAll(/^# TYPE (\S+) /gm), ([, name = '']) => name)),
    value: (name, labels = {}) =>
      samples.find(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([label, value]) => sample.labels.includes(`${label}="${value}"`)),
      )?.value,
  };
}

export interface Health {
  readonly status: number;
  readonly body: unknown;
}

/** @param path `/healthz` or `/readyz` */
export async function askHealth(url: string, path: '/healthz' | '/readyz'): Promise<Health> {
  const response = await fetch(`${url}${path}`);
  return { status: response.status, body: await response.json() };
}

export { startCollector, type CollectedSpan, type Collector } from './tracing/collector.testing.ts';
export { openTraces, type Traces } from './tracing/open-traces.ts';
