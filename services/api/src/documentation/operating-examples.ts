/** Requests about keys, the audit log, quarantine, kept decisions, reservations and webhooks. */
import type { Examples } from './examples.ts';

export const KEY_ID = '0123456789abcdef';
export const DECISION_ID = '0197a1b2-0000-7000-8000-000000000001';
export const WEBHOOK_ID = '0197a1b2-0000-7000-8000-000000000002';
export const DELIVERY_ID = '0197a1b2-0000-7000-8000-000000000003';

const key = { params: { id: KEY_ID } };

export const keys: Examples = {
  createKey: [
    {
      name: 'example',
      body: { role: 'ingest', tenantId: 'acme', name: 'the gateway', expiresAt: '2036-01-01T00:00:00Z' },
      status: 201,
    },
  ],
  listKeys: [{ name: 'example', query: { tenantId: 'acme', limit: '10' }, status: 200 }],
  rotateKey: [{ name: 'example', ...key, body: { overlapMs: 86_400_000 }, status: 200 }],
  revokeKey: [{ name: 'example', ...key, status: 200 }],
};

const RECENT = { since: '2026-01-01T00:00:00Z', limit: '5' };

export const operating: Examples = {
  getAudit: [{ name: 'example', query: { action: 'registry.change', ...RECENT }, status: 200 }],
  listQuarantine: [{ name: 'example', query: { status: 'waiting', reason: 'unknown_metric' }, status: 200 }],
  countQuarantine: [{ name: 'example', query: { tenantId: 'acme' }, status: 200 }],
  getQuarantinedEvent: [{ name: 'example', params: { id: '1' }, status: 200 }],
  replayQuarantined: [
    { name: 'example', body: { ids: ['1'], reason: 'the metric is registered now' }, status: 200 },
  ],
  discardQuarantined: [
    {
      name: 'example',
      body: { tenantId: 'acme', reasonCode: 'unknown_metric', metric: 'gone', reason: 'a test of theirs' },
      status: 200,
    },
  ],
  listDecisions: [{ name: 'example', query: { outcome: 'deny', ...RECENT }, status: 200 }],
  explainDecision: [{ name: 'example', params: { id: DECISION_ID }, status: 200 }],
  listReservations: [{ name: 'example', query: { pool: 'gpu', state: 'held' }, status: 200 }],
};

const webhook = { params: { id: WEBHOOK_ID } };
const delivery = { params: { id: WEBHOOK_ID, deliveryId: DELIVERY_ID } };

export const webhooks: Examples = {
  createWebhook: [
    {
      name: 'example',
      body: {
        url: 'https://hooks.example.com/usage',
        ...{ events: ['usage.threshold_reached'], metrics: ['tokens'], thresholds: [80, 100] },
      },
      status: 201,
    },
  ],
  listWebhooks: [{ name: 'example', query: { limit: '10' }, status: 200 }],
  getWebhook: [{ name: 'example', ...webhook, status: 200 }],
  changeWebhook: [{ name: 'example', ...webhook, body: { description: 'To the pager' }, status: 200 }],
  rotateWebhookSecret: [{ name: 'example', ...webhook, body: { overlapSeconds: 3_600 }, status: 200 }],
  pingWebhook: [{ name: 'example', ...webhook, status: 202 }],
  listWebhookDeliveries: [{ name: 'example', ...webhook, query: { limit: '10' }, status: 200 }],
  replayWebhookDelivery: [{ name: 'example', ...delivery, status: 202 }],
  replayWebhookDeliveries: [
    {
      name: 'example',
      ...webhook,
      body: { from: '2026-06-01T00:00:00Z', to: '2026-06-02T00:00:00Z', states: ['dead', 'delivered'] },
      status: 202,
    },
  ],
  deleteWebhook: [{ name: 'example', ...webhook, status: 204 }],
};
