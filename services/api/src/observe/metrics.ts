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

/** What comes in over `POST /v1/events`. */
export const INTAKE_METRICS = {
  events: counter({
    name: 'api_events_total',
    unit: 'events',
    help: 'Events by what they were answered: acknowledged; refused, with the reason; not_acknowledged: the broker did not answer in time, or there was no room.',
    labels: ['outcome', 'reason'],
  }),
  requestEvents: histogram({
    name: 'api_events_request_events',
    unit: 'events',
    help: 'Events in a request.',
    buckets: [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000],
  }),
  refused: counter({
    name: 'api_intake_refused_total',
    unit: 'requests',
    help: 'Requests with events that were sent back whole because there was no room: waiting_events (the broker is slow or away), body_memory, key_share (one key sends too much at one time).',
    labels: ['reason'],
  }),
  waiting: gauge({
    name: 'api_intake_waiting_events',
    unit: 'events',
    help: 'Events that wait for the broker to acknowledge them.',
  }),
  waitingLimit: gauge({
    name: 'api_intake_waiting_limit_events',
    unit: 'events',
    help: 'Beyond so many waiting events, requests are answered 503.',
  }),
  held: gauge({
    name: 'api_intake_held_bytes',
    unit: 'bytes',
    help: 'Bodies with events that are held in memory.',
  }),
  heldLimit: gauge({
    name: 'api_intake_held_limit_bytes',
    unit: 'bytes',
    help: 'Beyond so many bytes of bodies, requests are answered 503.',
  }),
} as const;

/** The limiter of keys. */
export const KEY_LIMIT_METRICS = {
  answers: counter({
    name: 'api_key_limiter_answers_total',
    unit: 'answers',
    help: 'Answers of the limiter of keys, by who decided (redis; memory where there is none; local_fallback: Redis is away, and each process goes on with a tenth).',
    labels: ['decided_by', 'outcome'],
  }),
  away: gauge({
    name: 'api_key_limiter_store_away',
    unit: '1 or 0',
    help: 'Whether Redis was given up for the moment. 0 when all is well, and where there is none.',
  }),
} as const;
