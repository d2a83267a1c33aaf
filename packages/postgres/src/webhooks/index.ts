export {
  DELIVERY_STATES,
  forgetDeliveries,
  listDeliveries,
  replayDeliveries,
  type DeliveryFilter,
  type DeliveryRow,
  type DeliveryState,
  type ReplayFilter,
} from './deliveries.ts';
export { readLateUsage, type LatePosition, type LateUsage } from './late-usage.ts';
export {
  enqueueEvents,
  readLineages,
  readSubtrees,
  readWatchers,
  type Enqueued,
  type OutgoingEvent,
  type Watcher,
} from './outbox.ts';
export { readOutboxStanding, type OutboxStanding } from './outbox-standing.ts';
export { subtreeTotals } from './period-usage.ts';
export { noteSettled, settledThrough } from './periods.ts';
export {
  leaseDeliveries,
  noteDelivered,
  noteFailed,
  type CircuitBounds,
  type DisabledWebhook,
  type FailedAttempt,
  type LeaseBounds,
  type LeasedDelivery,
} from './sending.ts';
export {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  listWebhooks,
  readWebhook,
  rotateWebhookSecret,
  type DisabledReason,
  type NewWebhook,
  type WebhookRow,
  type WebhookSettings,
} from './subscriptions.ts';
