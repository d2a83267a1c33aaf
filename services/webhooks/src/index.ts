export { BOUNDS, type WebhookBounds } from './bounds.ts';
export { startWebhooks, type RunningWebhooks, type WebhooksOptions } from './webhooks.ts';
