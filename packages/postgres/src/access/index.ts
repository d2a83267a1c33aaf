export {
  API_KEY_LIMITS,
  API_ROLES,
  createApiKey,
  findApiKey,
  listApiKeys,
  revokeApiKey,
  scopeProblem,
  rotateApiKey,
  touchApiKey,
  type ApiKey,
  type ApiKeyPage,
  type ApiRole,
  type KeyRotation,
  type NewApiKey,
} from './api-keys.ts';
export {
  AUDIT_OUTCOMES,
  AUDIT_START,
  type AuditHead,
  type AuditOutcome,
  type AuditRow,
} from './audit-chain.ts';
export {
  appendAudit,
  AUDIT_LIMITS,
  listAudit,
  person,
  readAuditHead,
  verifyAudit,
  type AuditActor,
  type AuditEntry,
  type AuditFilter,
  type AuditOrigin,
  type AuditVerdict,
} from './audit-log.ts';
export { auditKey } from './audited-keys.ts';
export {
  judgeKey,
  KEY_ID_BYTES,
  makeKey,
  makeSecret,
  parseKeyText,
  SECRET_BYTES,
  type KeyStanding,
  type KeyText,
  type KeyVerdict,
  type NewKey,
} from './key-text.ts';
export { withTenantScope, type TenantScope } from './tenant-scope.ts';
