/** Shows what the limiter of keys says of itself. */
import type { RateLimiter } from '@meterhouse/rate-limit';
import type { Metrics } from '@meterhouse/runtime/metrics';
import { KEY_LIMIT_METRICS } from './metrics.ts';

export function observeKeyLimits(metrics: Metrics, limiter: Pick<RateLimiter, 'status'>): void {
  metrics.value(KEY_LIMIT_METRICS.away, () => (limiter.status().circuit === 'closed' ? 0 : 1));
  metrics.totals(KEY_LIMIT_METRICS.answers, () =>
    Object.entries(limiter.status().answers).map(([answer, value]) => {
      const [decidedBy = '', ...outcome] = answer.split('.');
      return { labels: { decided_by: decidedBy, outcome: outcome.join('_') }, value };
    }),
  );
}
