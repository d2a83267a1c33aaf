/** Requests that send usage, read it, and decide by it. */
import type { Examples } from './examples.ts';

const SPAN = { from: '2026-06-01', to: '2026-07-01' };

export const usage: Examples = {
  getUsage: [
    { name: 'total', query: { tenantId: 'acme', ...SPAN }, status: 200 },
    {
      name: 'split',
      query: {
        tenantId: 'acme',
        ...{ metric: 'tokens', descendants: 'true', together: 'true' },
        ...{ granularity: 'day', timeZone: 'Europe/Berlin', groupBy: 'model', filter: 'model:small' },
        ...SPAN,
      },
      status: 200,
    },
  ],
  getTenantUsage: [
    {
      name: 'example',
      params: { id: 'acme' },
      query: { granularity: 'hour', from: '2026-06-01', to: '2026-06-08' },
      status: 200,
    },
  ],
  getUsageSummary: [{ name: 'example', status: 200 }],
};

const question = (delta: string) => ({
  actor: { type: 'user', id: 'ann', roles: ['member'] },
  ...{ tenantId: 'acme', product: 'ai', resourceType: 'model', action: 'call' },
  usage: { metric: 'tokens', unit: 'token', delta },
});

export const deciding: Examples = {
  decide: [
    { name: 'allowed', body: question('5'), status: 200 },
    { name: 'denied', body: question('5000'), status: 200 },
  ],
  decideBatch: [{ name: 'example', body: { questions: [question('5'), question('50')] }, status: 200 }],
};

const event = (id: string) => ({
  ...{ id, tenantId: 'acme', metric: 'tokens', value: '1280', ts: '2026-06-15T12:00:00Z' },
  attrs: { model: 'small' },
});

const cloudEvent = (id: string) => ({
  ...{ specversion: '1.0', id, source: '/gateway/eu-1', type: 'tokens', subject: 'acme' },
  time: '2026-06-15T12:00:00Z',
  data: { value: '1280', attrs: { model: 'small' } },
});

export const events: Examples = {
  sendEvents: [
    { name: 'one', body: event('7d8f'), status: 200 },
    {
      name: 'several',
      headers: { 'idempotency-key': '5b3c1c0e-7f0e-4f4e-9d0a-3a1f8f1f6f11' },
      body: [event('7d90'), { ...event('7d91'), value: '0.25' }],
      status: 200,
    },
    {
      name: 'lines',
      type: 'application/x-ndjson',
      body: [event('7d92'), event('7d93')].map((each) => `${JSON.stringify(each)}\n`).join(''),
      status: 200,
    },
    { name: 'cloudEvent', type: 'application/cloudevents+json', body: cloudEvent('4711'), status: 200 },
    {
      name: 'cloudEvents',
      type: 'application/cloudevents-batch+json',
      body: [cloudEvent('4712'), cloudEvent('4713')],
      status: 200,
    },
  ],
};
