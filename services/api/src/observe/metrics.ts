/** Everything that the API exports besides what all services do. */
import { counter, gauge, histogram } from '@meterhouse/runtime/metrics';

export const API_METRICS = {
  requests: counter({
    name: 'api_requests_total',
    unit: 'requests',
    help: 'Answers, by route template and status.',
    labels: ['method', 'route', 'status'],
  }),
  requestSeconds: histogram({
    name: 'api_request_seconds',
    unit: 'seconds',
    help: 'From the request’s head to the last byte of its answer, by route template.',
    labels: ['method', 'route'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  }),
  inFlight: gauge({
    name: 'api_requests_in_flight',
    unit: 'requests',
    help: 'Requests that are not answered yet.',
  }),
  aborted: counter({
    name: 'api_requests_aborted_total',
    unit: 'requests',
    help: 'Requests whose client went away before the answer.',
    labels: ['route'],
  }),
  refused: counter({
    name: 'api_access_refused_total',
    unit: 'requests',
    help: 'Requests refused for who asks: no key in force, the wrong role, a tenant that is not theirs.',
    labels: ['code'],
  }),
} as const;
