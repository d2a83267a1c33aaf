export {
  bodyOf,
  EVENT_TYPES,
  instantText,
  SUBSCRIBABLE,
  webhookEvent,
  type EventType,
  type SubscribableType,
  type WebhookEvent,
} from './events.ts';
export { SECRET_BYTES, SecretBox, secretText, UnsealableError } from './secrets.ts';
export { signedHeaders } from './signature.ts';
export { send, type SendBounds, type Sent } from './send.ts';
export { isPublic, parseNetwork, type Network } from './target/networks.ts';
export {
  checkTarget,
  ForbiddenTargetError,
  MAX_URL_LENGTH,
  systemResolve,
  type Address,
  type Resolve,
  type TargetRules,
} from './target/target.ts';
export { MAX_WAITING, RESOLVE_TIMEOUT_MS, webhookVariables } from './variables.ts';
