export { errorCode, isRetryable } from './errors.ts';
export {
  DatabaseNewerError,
  DatabaseOlderError,
  migratePostgres,
  requireCurrentSchema,
} from './migrations.ts';
export { createClient, createPool, type Db, type Pool, type PoolClient, type Role } from './pool.ts';
export { loadRegistry } from './registry.ts';
export { inTransaction } from './transaction.ts';
