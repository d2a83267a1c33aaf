/** What a query in PromQL asks for, by the grammar of Prometheus itself. */
import { parser } from '@prometheus-io/lezer-promql';

export interface AskedFor {
  /** Names of metrics, with `_bucket` and the like. */
  readonly metrics: ReadonlySet<string>;
  /** Of matchers and of groupings; not those that a function makes. */
  readonly labels: ReadonlySet<string>;
}

export class PromQlError extends Error {
  override name = 'PromQlError';
}

/** @throws PromQlError naming the place where the query cannot be read */
export function askedFor(query: string): AskedFor {
  const metrics = new Set<string>();
  const labels = new Set<string>();
  parser.parse(query).iterate({
    enter: ({ type, from, to, node }) => {
      const text = query.slice(from, to);
      if (type.isError) throw new PromQlError(`at ${from}: ${query.slice(from, from + 30)}`);
      if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') metrics.add(text);
      if (type.name === 'LabelName') labels.add(text);
    },
  });
  return { metrics, labels };
}
