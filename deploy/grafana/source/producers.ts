/** For whoever sends: how well each source does, and who has fallen silent. */
import type { BoardSpec, RowSpec } from './panel.ts';

const ofSource = '{source=~"$source"}';
const events = (outcome: string): string =>
  `sum by (source) (increase(usage_events_total{source=~"$source",outcome="${outcome}"}[$window]))`;
const all = `sum by (source) (increase(usage_events_total${ofSource}[$window]))`;
const lastSeen = `max by (source) (max_over_time(usage_source_last_seen_timestamp_seconds${ofSource}[1d]))`;
/** Silence of its own; and after how much of it a source counts as silent. */
const SILENT_SECONDS = 900;

const scorecard: RowSpec = {
  title: 'Scorecard',
  panels: [
    {
      kind: 'table',
      title: 'Sources',
      description:
        'Within the chosen window, by the source that an event names. Duplicates were known already: an honest retry is one, and more than a few percent is a loop. Quarantined events wait for a person. Lateness is from the event’s own time to the broker’s receipt.',
      unit: 'short',
      queries: [
        { expr: all, legend: 'events' },
        { expr: `${events('duplicate')} / (${all} > 0)`, legend: 'duplicates', unit: 'percentunit' },
        { expr: `${events('quarantined')} / (${all} > 0)`, legend: 'quarantined', unit: 'percentunit' },
        {
          expr: `histogram_quantile(0.99, sum by (source, le) (increase(usage_event_lateness_seconds_bucket${ofSource}[$window])))`,
          legend: 'lateness p99',
          unit: 's',
        },
        { expr: `time() - ${lastSeen}`, legend: 'last event', unit: 's' },
      ],
      width: 24,
      height: 10,
      runbook: 'quarantine-growing',
    },
  ],
};

const silence: RowSpec = {
  title: 'Silence',
  panels: [
    {
      kind: 'number',
      title: 'Silent sources',
      description:
        'Sources that reported within a day and have sent nothing for a quarter of an hour. What is said of a source survives restarts of workers: the highest over a day is taken.',
      unit: 'short',
      queries: [{ expr: `count(time() - ${lastSeen} > ${SILENT_SECONDS}) or vector(0)`, legend: 'silent' }],
      width: 4,
      runbook: 'producer-silent',
      limits: [1, 3],
    },
    {
      kind: 'bars',
      title: 'Time since the last event',
      description:
        'Of the twenty sources that have been silent longest. Ask their owners: usage that is not reported is not billed.',
      unit: 's',
      queries: [{ expr: `topk(20, time() - ${lastSeen})`, legend: '{{source}}' }],
      width: 10,
      runbook: 'producer-silent',
      limits: [SILENT_SECONDS, 4 * SILENT_SECONDS],
    },
    {
      kind: 'lines',
      title: 'Events, by source',
      description: 'A second, of the twenty sources with the most.',
      unit: 'ops',
      queries: [
        {
          expr: `topk(20, sum by (source) (rate(usage_events_total${ofSource}[$__rate_interval])))`,
          legend: '{{source}}',
        },
      ],
      width: 10,
    },
  ],
};

const quality: RowSpec = {
  title: 'Quality',
  panels: [
    {
      kind: 'lines',
      title: 'Share of duplicates, by source',
      description: 'Events that de-duplication knew. They cost time and are never counted twice.',
      unit: 'percentunit',
      queries: [
        {
          expr: `topk(10, sum by (source) (rate(usage_events_total{source=~"$source",outcome="duplicate"}[$__rate_interval])) / (sum by (source) (rate(usage_events_total${ofSource}[$__rate_interval])) > 0))`,
          legend: '{{source}}',
        },
      ],
      width: 8,
      runbook: 'duplicates-surge',
      max: 1,
    },
    {
      kind: 'lines',
      title: 'Quarantined, by source',
      description: 'Events a second that could not be counted. The reason is in meterhouse quarantine list.',
      unit: 'ops',
      queries: [
        {
          expr: `topk(10, sum by (source) (rate(usage_events_total{source=~"$source",outcome="quarantined"}[$__rate_interval])))`,
          legend: '{{source}}',
        },
      ],
      width: 8,
      runbook: 'quarantine-growing',
    },
    {
      kind: 'lines',
      title: 'Lateness p99, by source',
      description:
        'From an event’s own time to its receipt. Hours that finance closes must wait for it. Events from the future count as not late.',
      unit: 's',
      queries: [
        {
          expr: `topk(10, histogram_quantile(0.99, sum by (source, le) (rate(usage_event_lateness_seconds_bucket${ofSource}[$__rate_interval]))))`,
          legend: '{{source}}',
        },
      ],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Late by more than five minutes, share',
      description: 'Of the events of each source.',
      unit: 'percentunit',
      queries: [
        {
          expr: `topk(10, sum by (source) (rate(usage_events_late_total${ofSource}[$__rate_interval])) / (sum by (source) (rate(usage_events_total${ofSource}[$__rate_interval])) > 0))`,
          legend: '{{source}}',
        },
      ],
      width: 8,
      max: 1,
    },
    {
      kind: 'stacked',
      title: 'Refused over HTTP, by reason',
      description:
        'Events that the API did not take, with the reason that it answered: they are the sender’s to repair.',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (reason) (rate(api_events_total{outcome="refused"}[$__rate_interval]))',
          legend: '{{reason}}',
        },
      ],
      width: 8,
      runbook: 'api-refuses-events',
    },
    {
      kind: 'lines',
      title: 'Events in a request',
      description: 'Over HTTP. Batches of a hundred cost a small part of what single events cost.',
      unit: 'short',
      queries: [
        {
          expr: 'sum(rate(api_events_request_events_sum[$__rate_interval])) / sum(rate(api_events_request_events_count[$__rate_interval]))',
          legend: 'mean',
        },
      ],
      width: 8,
    },
  ],
};

export const PRODUCERS: BoardSpec = {
  uid: 'meterhouse-producers',
  file: 'producers',
  title: 'Meterhouse: producers',
  description: 'How well each source of events does, and who has fallen silent.',
  variables: [
    { kind: 'choice', name: 'window', title: 'Scorecard of the last', values: ['6h', '1h', '1d', '7d'] },
    { kind: 'label', name: 'source', title: 'Source', metric: 'usage_events_total', label: 'source' },
  ],
  rows: [scorecard, silence, quality],
  from: 'now-6h',
  refresh: '30s',
};
