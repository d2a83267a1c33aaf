/**
 * For whom the work is done, carried along asynchronous calls, so that handlers need not pass it on.
 * A wrapper at the boundary (HTTP, a consumer, a job) opens it; the meter looks into it once an event.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Actor } from '@meterhouse/quota';

export interface TenantContext {
  readonly tenantId: string;
  /** Tenant ids from the root down to the tenant, where the service knows them. Never sent: the registry's counts. */
  readonly lineage?: readonly string[] | undefined;
  /** Who acts; asked about by `check`. */
  readonly principal?: Actor | undefined;
  readonly correlationId?: string | undefined;
  /**
   * Who or what within the tenant events are put down to. Default: the principal, as
   * `principal_type` and `principal_id`; null for none.
   */
  readonly attribution?: Readonly<Record<string, string>> | null | undefined;
}

/** What events and questions take from a context; worked out once, when it is opened. */
export interface OpenContext extends TenantContext {
  readonly attribution: Readonly<Record<string, string>> | null;
}

/** Its name says the form of what it holds: another form gets another name. */
const STORAGE = Symbol.for('meterhouse.tenant-context.1');

/** Where a process has the package twice, as bundled and as installed, its context is one all the same. */
const storage =
  (Reflect.get(globalThis, STORAGE) as AsyncLocalStorage<OpenContext> | undefined) ??
  new AsyncLocalStorage<OpenContext>();
Reflect.set(globalThis, STORAGE, storage);

/**
 * Runs `work` in a context. Inside another one, what is left out stays as it is there; the lineage only
 * for the same tenant.
 */
export function withTenant<T>(context: TenantContext, work: () => T): T {
  return storage.run(opened(context, storage.getStore()), work);
}

/** The context of whoever calls, if there is one. */
export function currentTenant(): OpenContext | undefined {
  return storage.getStore();
}

function opened(context: TenantContext, outer: OpenContext | undefined): OpenContext {
  const sameTenant = outer?.tenantId === context.tenantId;
  const principal = context.principal ?? outer?.principal;
  const attribution =
    context.attribution !== undefined
      ? context.attribution
      : context.principal !== undefined || outer === undefined
        ? attributionOf(principal)
        : outer.attribution;
  return Object.freeze({
    tenantId: context.tenantId,
    lineage: context.lineage ?? (sameTenant ? outer.lineage : undefined),
    principal,
    correlationId: context.correlationId ?? outer?.correlationId,
    attribution,
  });
}

function attributionOf(principal: Actor | undefined): Readonly<Record<string, string>> | null {
  return principal === undefined
    ? null
    : Object.freeze({ principal_type: principal.type, principal_id: principal.id });
}
