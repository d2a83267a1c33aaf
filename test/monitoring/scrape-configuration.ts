/** Where Prometheus finds a system that `npm start` runs. deploy/prometheus/prometheus.yml says the same by names. */
import type { Endpoints } from '@meterhouse/dev-stack';

export interface ScrapeOptions {
  readonly scrapeSeconds: number;
  /** How often rules are evaluated. */
  readonly evaluationSeconds: number;
  readonly rulesPath: string;
}

/** @returns what Prometheus reads as its configuration: JSON is YAML */
export function scrapeConfiguration(
  { metrics = {} }: Pick<Endpoints, 'metrics'>,
  { scrapeSeconds, evaluationSeconds, rulesPath }: ScrapeOptions,
): string {
  return JSON.stringify(
    {
      global: {
        scrape_interval: `${scrapeSeconds}s`,
        // A frozen process must count as away before the next scrape is due.
        scrape_timeout: `${scrapeSeconds}s`,
        evaluation_interval: `${evaluationSeconds}s`,
      },
      rule_files: [rulesPath],
      scrape_configs: Object.entries(metrics).map(([job, url]) => ({
        job_name: job,
        static_configs: [{ targets: [new URL(url).host] }],
      })),
    },
    null,
    2,
  );
}
