/** Generated from the API's OpenAPI document by: npm run client:generate */
/* eslint-disable */
export interface paths {
    readonly "/healthz": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Whether a restart would help */
        readonly get: operations["getHealth"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/readyz": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Whether requests can be served, and which part is not ready */
        readonly get: operations["getReadiness"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/usage": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * What a tenant has used, and up to when that is complete
         * @description Numbers and `asOf` are of one point in time: whatever `completeThrough` promises is in the rows. Each page is of a point of its own. The answer carries an `ETag` of everything that it follows from. Send it as `If-None-Match`: while nothing was counted and completeThrough stands, the answer is 304 and no usage is read.
         */
        readonly get: operations["getUsage"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/admin/tenants/{id}/usage": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * A tenant's own usage by day or hour
         * @description As `GET /v1/usage` answers it, which can do more. The answer carries an `ETag` of everything that it follows from. Send it as `If-None-Match`: while nothing was counted and completeThrough stands, the answer is 304 and no usage is read.
         */
        readonly get: operations["getTenantUsage"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/tenants/me/usage/summary": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * The key's own tenant: usage, limits, what is left, projected end of period
         * @description Usage is of the tenant and all below it. The limits are those that decisions are made by at this moment. Supports `If-None-Match`.
         */
        readonly get: operations["getUsageSummary"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/decide": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Ask before the work
         * @description The decision is the answer, so a denial is a 200 too: look at `outcome`.
         *
         *     It answers from the memory of this process, which follows the usage snapshots, and it only looks: nothing
         *     is held until the usage is reported, no rate is charged, no capacity is reserved. Callers that are decided
         *     at the same moment may together go over a limit until the next snapshot, which comes within a second;
         *     a process that must not uses the gate of `@meterhouse/gate` in its own memory. Usage that is not known
         *     well enough denies (`stale_snapshot`). Denials and warnings are kept, and can be read at
         *     `/v1/decisions`.
         */
        readonly post: operations["decide"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/decide/batch": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Ask up to 100 things at once
         * @description Each is decided by itself, as if it were the only one. The decision is the answer, so a denial is a 200 too: look at `outcome`.
         *
         *     It answers from the memory of this process, which follows the usage snapshots, and it only looks: nothing
         *     is held until the usage is reported, no rate is charged, no capacity is reserved. Callers that are decided
         *     at the same moment may together go over a limit until the next snapshot, which comes within a second;
         *     a process that must not uses the gate of `@meterhouse/gate` in its own memory. Usage that is not known
         *     well enough denies (`stale_snapshot`). Denials and warnings are kept, and can be read at
         *     `/v1/decisions`.
         */
        readonly post: operations["decideBatch"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/tenants": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Tenants as they stand, in the order of ids
         * @description A key of a tenant sees what concerns it and what is below it.
         */
        readonly get: operations["listTenants"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/tenants/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getTenant"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putTenant"];
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/metrics": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Metrics as they stand, in the order of ids
         * @description A key of a tenant sees what concerns it and what is below it.
         */
        readonly get: operations["listMetrics"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/metrics/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getMetric"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putMetric"];
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/products": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Products as they stand, in the order of ids
         * @description A key of a tenant sees what concerns it and what is below it.
         */
        readonly get: operations["listProducts"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/products/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getProduct"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putProduct"];
        readonly post?: never;
        /** Take it out of the registry; its history stays */
        readonly delete: operations["deleteProduct"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/plans": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Plans as they stand, in the order of ids */
        readonly get: operations["listPlans"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/plans/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getPlan"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putPlan"];
        readonly post?: never;
        /** Take it out of the registry; its history stays */
        readonly delete: operations["deletePlan"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/overrides": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Overrides as they stand, in the order of ids
         * @description A key of a tenant sees what concerns it and what is below it.
         */
        readonly get: operations["listOverrides"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/overrides/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getOverride"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putOverride"];
        readonly post?: never;
        /** Take it out of the registry; its history stays */
        readonly delete: operations["deleteOverride"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/delegations": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Delegations as they stand, in the order of ids
         * @description A key of a tenant sees what concerns it and what is below it.
         */
        readonly get: operations["listDelegations"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/delegations/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getDelegation"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putDelegation"];
        readonly post?: never;
        /** Take it out of the registry; its history stays */
        readonly delete: operations["deleteDelegation"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/entitlements": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Entitlements as they stand, in the order of ids
         * @description A key of a tenant sees what concerns it and what is below it.
         */
        readonly get: operations["listEntitlements"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/entitlements/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getEntitlement"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putEntitlement"];
        readonly post?: never;
        /** Take it out of the registry; its history stays */
        readonly delete: operations["deleteEntitlement"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/pools": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Pools as they stand, in the order of ids */
        readonly get: operations["listPools"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/pools/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getPool"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putPool"];
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/access-rules": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** AccessRules as they stand, in the order of ids */
        readonly get: operations["listAccessRules"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/access-rules/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One of them */
        readonly get: operations["getAccessRule"];
        /** Make it so, whether or not it is there */
        readonly put: operations["putAccessRule"];
        readonly post?: never;
        /** Take it out of the registry; its history stays */
        readonly delete: operations["deleteAccessRule"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/registry/apply": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Change many documents in one version, all or none
         * @description Each is checked against what the registry will be, so they may refer to each other.
         */
        readonly post: operations["applyRegistry"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/registry/history": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Every change, by whom and why, the newest first */
        readonly get: operations["getRegistryHistory"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/api/admin/tenants/{id}/limits": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Set another ceiling for a tenant and all below it
         * @description It narrows. One that would raise the ceiling without the right to is refused.
         */
        readonly post: operations["overrideLimit"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/keys": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Keys without their secrets, in the order of ids */
        readonly get: operations["listKeys"];
        readonly put?: never;
        /**
         * Make a key; it is told once
         * @description A `tenant_admin` makes keys for its tenant and those below it, with the roles of a tenant.
         */
        readonly post: operations["createKey"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/keys/{id}/rotate": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Give a key a new secret; it is told once
         * @description The secret before the present one ends at once: a key has at most two.
         */
        readonly post: operations["rotateKey"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/keys/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post?: never;
        /**
         * End a key for good, with both its secrets
         * @description It may still open for two seconds: so long a process remembers what it has checked.
         */
        readonly delete: operations["revokeKey"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/audit": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * What was done, by whom, with what outcome; the newest first
         * @description A key of a tenant sees what was done in its scope. Each look stands in the log itself. `meterhouse audit verify` works the chain out again.
         */
        readonly get: operations["getAudit"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/quarantine": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Events that could not be counted, in the order of arrival
         * @description What no tenant could be read of is the platform’s alone.
         */
        readonly get: operations["listQuarantine"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/quarantine/counts": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** How many events could not be counted, by reason and status */
        readonly get: operations["countQuarantine"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/quarantine/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * One event with its message and its history
         * @description That its message was looked at stands in the audit log.
         */
        readonly get: operations["getQuarantinedEvent"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/quarantine/replay": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Put waiting events through the counting path again
         * @description Only events that wait are touched; what is left out of the body does not narrow.
         */
        readonly post: operations["replayQuarantined"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/quarantine/discard": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Decide that waiting events are never to be counted
         * @description Only events that wait are touched; what is left out of the body does not narrow.
         */
        readonly post: operations["discardQuarantined"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/decisions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Decisions that were kept, the newest first */
        readonly get: operations["listDecisions"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/decisions/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * One decision, explained, and made again
         * @description Its record holds limits and usage of every tenant above as well, so it is for the platform. That it was looked at stands in the audit log.
         */
        readonly get: operations["explainDecision"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/reservations": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Reservations in the order in which they were made */
        readonly get: operations["listReservations"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/webhooks": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** The webhooks of a tenant and all below it */
        readonly get: operations["listWebhooks"];
        readonly put?: never;
        /**
         * Be told of thresholds and decisions
         * @description Messages follow Standard Webhooks; their bodies are `WebhookEvent`s.
         */
        readonly post: operations["createWebhook"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/webhooks/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** One webhook, and how it fares */
        readonly get: operations["getWebhook"];
        readonly put?: never;
        readonly post?: never;
        /** Take it away, with all of its deliveries */
        readonly delete: operations["deleteWebhook"];
        readonly options?: never;
        readonly head?: never;
        /** Change it, disable it, enable it again */
        readonly patch: operations["changeWebhook"];
        readonly trace?: never;
    };
    readonly "/v1/webhooks/{id}/rotate-secret": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** A new secret; the old one signs too for a while */
        readonly post: operations["rotateWebhookSecret"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/webhooks/{id}/deliveries": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** What was sent and what waits, the newest first */
        readonly get: operations["listWebhookDeliveries"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/webhooks/{id}/ping": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Send a test message
         * @description It goes the way of all messages; `listWebhookDeliveries` says how it went.
         */
        readonly post: operations["pingWebhook"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/webhooks/{id}/deliveries/{deliveryId}/replay": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Send one delivery again, with the id it had
         * @description One that is still on its way is left alone: `replayed` is 0.
         */
        readonly post: operations["replayWebhookDelivery"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/webhooks/{id}/replay": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Send what was made in a time again, up to 1000 at once
         * @description The oldest first. Dead letters only, unless `states` says otherwise.
         */
        readonly post: operations["replayWebhookDeliveries"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/openapi.json": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** This document */
        readonly get: operations["getOpenApi"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/events": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Send usage events
         * @description One event, an array, NDJSON, or CloudEvents 1.0 (structured, batched, binary); at most 1,000
         *     events or 5 MB, as they are sent and inflated (`Content-Encoding: gzip` or `zstd`).
         *
         *     **Acknowledged** means: on all in-sync replicas of the broker. The answer says it for each event. Sent twice
         *     with the same id, an event counts once; events without an id get one that follows from `Idempotency-Key`
         *     and their position where that header is given.
         *
         *     200: all acknowledged. 207: some; look at each. 422: all refused. 503: none acknowledged, and the broker is
         *     why; send again after `Retry-After`. Any other error: nothing was taken.
         */
        readonly post: operations["sendEvents"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        readonly AccessRuleDocumentInput: {
            readonly id: string;
            /** @enum {string} */
            readonly effect: "allow" | "deny";
            readonly description?: string;
            readonly actors?: {
                readonly types?: readonly string[];
                readonly ids?: readonly string[];
                readonly roles?: readonly string[];
                readonly scopes?: readonly string[];
            };
            readonly products?: readonly string[];
            readonly resourceTypes?: readonly string[];
            readonly actions?: readonly string[];
            readonly tenants?: readonly string[];
            readonly when?: readonly ({
                readonly attribute: string;
                readonly equals: string;
            } | {
                readonly attribute: string;
                readonly in: readonly string[];
            } | {
                readonly attribute: string;
                readonly not: string | readonly string[];
            })[];
        };
        readonly ApiKey: {
            /** @description The part of the key that may be shown and logged. */
            readonly keyId: string;
            /** @description This tenant and all below it. Null: the whole platform. */
            readonly tenantId: string | null;
            /** @enum {string} */
            readonly role: "ingest" | "tenant_reader" | "tenant_admin" | "finance" | "operator" | "platform_admin";
            readonly name: string;
            /** Format: date-time */
            readonly createdAt: string;
            readonly createdBy: string;
            readonly expiresAt: string | null;
            /** @description Until when the secret before the last rotation is good as well. */
            readonly previousValidUntil: string | null;
            readonly rotatedAt: string | null;
            readonly rotatedBy: string | null;
            readonly revokedAt: string | null;
            readonly revokedBy: string | null;
            /** @description To the minute. */
            readonly lastUsedAt: string | null;
        };
        readonly AsOf: {
            /** @description Every event that the broker had before this instant is in the numbers, or waits in quarantine. Null: not known, as while a partition has not been counted yet. */
            readonly completeThrough: string | null;
            /** @description Events of all tenants that the broker has and that are not counted yet. Null: the broker could not be asked. */
            readonly eventsBehind: string | null;
            /** @description Partitions whose counting has stopped until a person acts; completeThrough stands still meanwhile. */
            readonly haltedPartitions: readonly number[];
        };
        readonly AuditEntry: {
            /** @description Its place in the chain; without gaps. */
            readonly seq: string;
            /** Format: date-time */
            readonly at: string;
            readonly actorType: string;
            readonly actorId: string;
            readonly keyId: string | null;
            readonly role: string | null;
            /** @description Such as `quarantine.discard`. */
            readonly action: string;
            /** @description Null: the whole platform. */
            readonly tenantId: string | null;
            readonly target: string | null;
            /** @enum {string} */
            readonly outcome: "done" | "denied" | "failed";
            readonly correlationId: string | null;
            readonly details: {
                readonly [key: string]: unknown;
            };
            readonly prevHash: string;
            readonly hash: string;
        };
        readonly Decision: {
            /**
             * @description Of these, only `deny` refuses.
             * @enum {string}
             */
            readonly outcome: "allow" | "deny" | "warn";
            /**
             * @description Stable; what a program looks at.
             * @enum {string}
             */
            readonly reason: "ok" | "unknown_tenant" | "tenant_suspended" | "tenant_closed" | "registry_incomplete" | "policy_denied" | "policy_unavailable" | "missing_entitlement" | "unknown_unit" | "stale_snapshot" | "quota_exhausted" | "quota_warning" | "quota_unavailable" | "rate_limited" | "rate_unavailable" | "no_capacity" | "capacity_unavailable";
            /** @description Safe to show to a person. */
            readonly message: string;
            /** @description False: it would have been denied or warned of, were the tenant not internal. */
            readonly enforced: boolean;
            readonly tenantId: string;
            /** @description The tightest that was met. */
            readonly ceiling: components["schemas"]["DecisionCeiling"] | null;
            readonly registryVersion: string;
            /** @description Up to when the usage it goes by is complete. Null: none is known. */
            readonly asOf: string | null;
            /** @description How old that is, never less than the truth. Null: nothing was heard yet. */
            readonly ageMs: number | null;
            /** @description When asking again may help. Null: not by waiting, or it is not known. */
            readonly retryAfterMs: number | null;
            readonly correlationId: string;
            readonly steps?: readonly components["schemas"]["DecisionStep"][];
        };
        readonly DecisionCeiling: {
            /** @description The tenant whose ceiling it is. Null: one above your scope. */
            readonly scope: string | null;
            readonly metric: string;
            /** @enum {string} */
            readonly period: "hour" | "day" | "month" | "total";
            /** @enum {string} */
            readonly mode: "hard" | "soft";
            /** @description Null, like the amounts below, where it is above your scope. */
            readonly value: string | null;
            /** @description As of `asOf`. */
            readonly used: string | null;
            /** @description Before what is asked for; may be negative. */
            readonly remaining: string | null;
            /** @description The plan or override that sets it. */
            readonly source: string | null;
        };
        readonly DecisionQuestionInput: {
            /** @description Who wants to do it. The service that asks vouches for this. */
            readonly actor: {
                /** @description Such as `user`, `service` or `api_key`. */
                readonly type: string;
                readonly id: string;
                /** @default [] */
                readonly roles?: readonly string[];
                /** @default [] */
                readonly scopes?: readonly string[];
            };
            /** @description The scope it is asked in: a project, department or organization. */
            readonly tenantId: string;
            readonly product: string;
            readonly resourceType: string;
            readonly action: string;
            /** @description Left out where nothing is metered. */
            readonly usage?: {
                readonly metric: string;
                readonly unit: string;
                /** @description What it will use: a decimal in quotes, not negative. */
                readonly delta: string;
            };
            /** @description Units of the action’s capacity pool. */
            readonly slots?: number;
            /** @description As a template, never a raw path. */
            readonly route?: string;
            /** @description Default: the one of the request. */
            readonly correlationId?: string;
            /** @description Whatever else access rules may look at. */
            readonly attributes?: {
                readonly [key: string]: string;
            };
        };
        readonly DecisionStep: {
            readonly question: string;
            /** @enum {string} */
            readonly answer: "yes" | "no" | "warns" | "not asked";
            readonly because: string;
        };
        readonly DelegationDocumentInput: {
            readonly id: string;
            readonly tenant: string;
            readonly to: string;
            readonly metric: string;
            /** @enum {string} */
            readonly period: "hour" | "day" | "month" | "total";
            readonly upTo: string;
            readonly reason: string;
            readonly author: string;
            /** @default null */
            readonly start?: string | null;
            /** @default null */
            readonly expiry?: string | null;
        };
        readonly EntitlementDocumentInput: {
            readonly id: string;
            readonly tenant: string;
            readonly product: string;
            readonly resourceType: string | "*";
            readonly action: string | "*";
            /** @default null */
            readonly tier?: string | null;
            readonly reason: string;
            readonly author: string;
            /** @default null */
            readonly start?: string | null;
            /** @default null */
            readonly expiry?: string | null;
        };
        readonly EventOutcome: {
            /** @description Position in the request, from 0; empty lines are not counted. */
            readonly index: number;
            /**
             * @description On all in-sync replicas of the broker.
             * @constant
             */
            readonly outcome: "acknowledged";
            readonly id: string;
        } | {
            /** @description Position in the request, from 0; empty lines are not counted. */
            readonly index: number;
            /**
             * @description Not an event that can be counted: correct it.
             * @constant
             */
            readonly outcome: "refused";
            /** @description Null: the event gave none that can be read. */
            readonly id: string | null;
            /** @enum {string} */
            readonly code: "invalid_json" | "invalid_event" | "invalid_value" | "unknown_tenant" | "too_large";
            /** @description What is wrong, by the name that the sender used. */
            readonly field: string;
            /** @description Safe to show to a person. */
            readonly detail: string;
        } | {
            /** @description Position in the request, from 0; empty lines are not counted. */
            readonly index: number;
            /**
             * @description Counted or not, nobody knows. Send it again with this id and this ts: it counts once.
             * @constant
             */
            readonly outcome: "not_acknowledged";
            readonly id: string | null;
            readonly ts: string | null;
            /**
             * @description `overloaded`: more waits for the broker than may; it was not tried.
             * @enum {string}
             */
            readonly code: "broker_unavailable" | "overloaded";
            /** @description Safe to show to a person. */
            readonly detail: string;
        };
        readonly EventsAnswer: {
            readonly acknowledged: number;
            readonly refused: number;
            readonly notAcknowledged: number;
            /** @description One for each event, in the order of the request. */
            readonly events: readonly components["schemas"]["EventOutcome"][];
        };
        readonly ExplainedDecision: {
            readonly decision: components["schemas"]["KeptDecision"];
            /** @description All that it looked at. */
            readonly record: {
                readonly [key: string]: unknown;
            };
            readonly message: string;
            /** @description Each thing that was asked, its answer, and why. */
            readonly steps: readonly components["schemas"]["DecisionStep"][];
            /** @description What comes out otherwise when it is made again by the registry of then, and what lists show otherwise than the record. Empty: nothing. */
            readonly replay: readonly {
                readonly field: string;
                readonly recorded: string;
                readonly replayed: string;
            }[];
            /** @description Of the registry of then, those that this release cannot read; what depends on them denies. */
            readonly unreadableDocuments: number;
        };
        readonly KeptDecision: {
            readonly id: string;
            /**
             * Format: date-time
             * @description On the clock of the enforcement point.
             */
            readonly at: string;
            /** Format: date-time */
            readonly receivedAt: string;
            readonly tenantId: string;
            readonly outcome: string;
            readonly reason: string;
            readonly correlationId: string;
            readonly actorType: string;
            readonly actorId: string;
            readonly registryVersion: string;
        };
        readonly LimitOverrideInput: {
            readonly metric: string;
            /** @enum {string} */
            readonly period: "hour" | "day" | "month" | "total";
            /** @default null */
            readonly start?: string | null;
            /** @default null */
            readonly expiry?: string | null;
            /** @description In the metric’s unit: a decimal in quotes. */
            readonly value: string;
            /** @description Default: `TENANT/METRIC/PERIOD`. One that is there is changed. */
            readonly id?: string;
            /**
             * @description It may raise the ceiling, by privilege: only `platform_admin`, and audited as such.
             * @default false
             */
            readonly raise?: boolean;
            /** @description It may raise the ceiling, by this delegation. */
            readonly delegation?: string;
            /** @description Why: kept in the history of the registry. */
            readonly reason: string;
            /**
             * @description Say what would change, change nothing.
             * @default false
             */
            readonly dryRun?: boolean;
            /** @description Refuse with 409 where the registry is not at this version any more. */
            readonly expectedVersion?: string;
        };
        readonly LimitUsage: {
            /** @description The tenant whose usage is limited, with all below it. Null: one above this one, of which only this is told, that it limits; the same in decisions. */
            readonly scope: string | null;
            /** @enum {string} */
            readonly period: "hour" | "day" | "month" | "total";
            /** @description Null where scope is. */
            readonly limit: string | null;
            /**
             * @description What the plan says; class says what becomes of it.
             * @enum {string}
             */
            readonly mode: "hard" | "soft";
            /** @description Null where scope is: what others have used there is theirs. */
            readonly used: string | null;
            /** @description Never below 0. Null where used is. */
            readonly remaining: string | null;
        };
        readonly MetricDocumentInput: {
            readonly name: string;
            readonly unit: string;
            readonly aggregation: unknown;
            readonly scale: number;
            readonly family: string;
            /** @default [] */
            readonly groupBy?: readonly string[];
        };
        readonly MetricSummary: {
            readonly metric: string;
            readonly unit: string;
            readonly aggregation: string;
            /** @description The current hour, day and month. */
            readonly periods: readonly components["schemas"]["PeriodUsage"][];
            /** @description Those in force, from the tenant upwards. */
            readonly limits: readonly components["schemas"]["LimitUsage"][];
        };
        readonly NewApiKey: {
            readonly apiKey: components["schemas"]["ApiKey"];
            /** @description The whole key. It is told this once and kept nowhere. */
            readonly key: string;
        };
        readonly NewApiKeyRequestInput: {
            /** @enum {string} */
            readonly role: "ingest" | "tenant_reader" | "tenant_admin" | "finance" | "operator" | "platform_admin";
            /** @description Whose it is, with all below. Default: the caller’s own; null or none: the platform. */
            readonly tenantId?: string | null;
            /** @description What it is for. */
            readonly name: string;
            /**
             * @description Null: never.
             * @default null
             */
            readonly expiresAt?: string | null;
        };
        readonly NewWebhookInput: {
            /** @description The tenant that it is of, with all below it. The key’s own by default. */
            readonly tenantId?: string;
            /** @description https, and on public addresses only. */
            readonly url: string;
            /** @default  */
            readonly description?: string;
            readonly events: readonly ("usage.threshold_reached" | "quota.denied" | "quota.warned" | "webhook.disabled")[];
            /**
             * @description Only of these; null: all.
             * @default null
             */
            readonly metrics?: readonly string[] | null;
            /**
             * @description Percent of a tenant’s limit in force, told once each in a period.
             * @default [
             *       80,
             *       100
             *     ]
             */
            readonly thresholds?: readonly number[];
            /**
             * @description Also the thresholds of the plans (`warnAt`).
             * @default true
             */
            readonly planThresholds?: boolean;
            /**
             * @description Decisions alike are told once in a window of so many seconds; 0: each of them.
             * @default 60
             */
            readonly quietSeconds?: number;
        };
        readonly OverrideDocumentInput: {
            readonly id: string;
            readonly tenant: string;
            readonly metric: string;
            /** @enum {string} */
            readonly period: "hour" | "day" | "month" | "total";
            readonly value: string;
            /** @default null */
            readonly raises?: ({
                /** @constant */
                readonly by: "privileged";
            } | {
                /** @constant */
                readonly by: "delegation";
                readonly delegation: string;
            }) | null;
            readonly reason: string;
            readonly author: string;
            /** @default null */
            readonly start?: string | null;
            /** @default null */
            readonly expiry?: string | null;
        };
        readonly PeriodUsage: {
            /** @enum {string} */
            readonly period: "hour" | "day" | "month";
            /** @description RFC 3339 in UTC, with milliseconds. */
            readonly start: string;
            /** @description Not included. */
            readonly end: string;
            /** @description By the tenant and all below it, by the metric's aggregation. */
            readonly used: string;
            /** @description What it comes to at the end if it goes on as up to completeThrough: used times the period over the part of it that is over, rounded up to the scale of the metric. */
            readonly projected: string | null;
            /** @description Why there is no projection: peaks and levels do not add up; completeThrough is not known; less than a twentieth of the period is over. */
            readonly projectedUnknown: ("not_cumulative" | "not_complete" | "too_early") | null;
        };
        readonly PlanDocumentInput: {
            readonly id: string;
            readonly name: string;
            /** @default [] */
            readonly limits?: readonly {
                readonly metric: string;
                /** @enum {string} */
                readonly period: "hour" | "day" | "month" | "total";
                readonly value: string;
                /**
                 * @default hard
                 * @enum {string}
                 */
                readonly mode?: "hard" | "soft";
                /** @default [] */
                readonly warnAt?: readonly number[];
                /** @default false */
                readonly strict?: boolean;
                /**
                 * @default deny
                 * @enum {string}
                 */
                readonly whenUnavailable?: "deny" | "snapshot";
            }[];
            /** @default [] */
            readonly rates?: readonly {
                readonly id: string;
                /** @default null */
                readonly route?: string | null;
                /**
                 * @default token_bucket
                 * @enum {string}
                 */
                readonly algorithm?: "token_bucket" | "sliding_window";
                readonly limit: number;
                readonly periodMs: number;
                /** @default null */
                readonly burst?: number | null;
                /**
                 * @default local
                 * @enum {string}
                 */
                readonly whenUnavailable?: "local" | "deny";
                /** @default 100000 */
                readonly localSharePpm?: number;
            }[];
            /** @default [] */
            readonly concurrency?: readonly {
                readonly id: string;
                /** @default null */
                readonly route?: string | null;
                /** @default null */
                readonly product?: string | null;
                /** @default null */
                readonly resourceType?: string | null;
                /** @default null */
                readonly action?: string | null;
                readonly limit: number;
                /** @default 60000 */
                readonly leaseMs?: number;
            }[];
            /** @default [] */
            readonly entitlements?: readonly {
                readonly product: string;
                readonly resourceType: string | "*";
                readonly action: string | "*";
                /** @default null */
                readonly tier?: string | null;
            }[];
            /**
             * @default {
             *       "maxAgeMs": 5000,
             *       "otherwise": "deny"
             *     }
             */
            readonly stale?: {
                /** @default 5000 */
                readonly maxAgeMs?: number;
                /**
                 * @default deny
                 * @enum {string}
                 */
                readonly otherwise?: "deny" | "allow";
            };
            /**
             * @default none
             * @enum {string}
             */
            readonly headroom?: "none" | "auto";
        };
        readonly PoolDocumentInput: {
            readonly id: string;
            readonly unit: string;
            readonly size: number;
        };
        readonly ProductDocumentInput: {
            readonly id: string;
            readonly name: string;
            /** @default [] */
            readonly dimensions?: readonly {
                readonly metric: string;
                readonly unit: string;
            }[];
            /** @default [] */
            readonly actions?: readonly {
                readonly resourceType: string;
                readonly action: string;
                readonly launchSensitive: boolean;
                /** @default null */
                readonly pool?: string | null;
            }[];
        };
        readonly QuarantineCase: {
            readonly event: components["schemas"]["QuarantinedEvent"];
            /** @description The message as it came, in base64. */
            readonly payload: string;
            readonly history: readonly {
                /** Format: date-time */
                readonly at: string;
                readonly action: string;
                readonly by: string;
                readonly reason: string;
            }[];
        };
        readonly QuarantineCount: {
            readonly reason: string;
            /** @enum {string} */
            readonly status: "waiting" | "replay_requested" | "counted" | "duplicate" | "discarded";
            /** @description Different events, as far as they could be read. */
            readonly events: string;
            /** @description Deliveries of them. */
            readonly occurrences: string;
            /**
             * Format: date-time
             * @description When the first of them came.
             */
            readonly oldest: string;
        };
        readonly QuarantineSelectionInput: {
            readonly ids?: readonly string[];
            /** @description This tenant and all below it. Default: all that the key may see. */
            readonly tenantId?: string;
            /**
             * @description False: of the tenant itself only.
             * @default true
             */
            readonly descendants?: boolean;
            /** @description Those that were refused for this reason. */
            readonly reasonCode?: string;
            readonly metric?: string;
            /** @description Why: kept with each event. */
            readonly reason: string;
            /**
             * @description Events at most.
             * @default 1000
             */
            readonly limit?: number;
            /** @description `nextCursor` of the page before. */
            readonly cursor?: string;
        };
        readonly QuarantinedEvent: {
            readonly id: string;
            readonly source: string;
            readonly partition: number;
            readonly offset: string;
            /** Format: date-time */
            readonly receivedAt: string;
            /** @description Such as `unknown_metric`. */
            readonly reason: string;
            readonly field: string | null;
            readonly detail: string;
            /** @description As the event says; null where that could not be read. */
            readonly tenantId: string | null;
            readonly metric: string | null;
            readonly eventId: string | null;
            readonly eventTs: string | null;
            readonly value: string | null;
            /** @description Deliveries of it. */
            readonly occurrences: string;
            /** @enum {string} */
            readonly status: "waiting" | "replay_requested" | "counted" | "duplicate" | "discarded";
            readonly resolvedAt: string | null;
        };
        readonly RegistryApplicationInput: {
            /** @description Shall be so. What is not named stays as it is. */
            readonly documents?: readonly ({
                /** @constant */
                readonly kind: "tenant";
                readonly document: components["schemas"]["TenantDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "metric";
                readonly document: components["schemas"]["MetricDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "product";
                readonly document: components["schemas"]["ProductDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "plan";
                readonly document: components["schemas"]["PlanDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "override";
                readonly document: components["schemas"]["OverrideDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "delegation";
                readonly document: components["schemas"]["DelegationDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "entitlement";
                readonly document: components["schemas"]["EntitlementDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "pool";
                readonly document: components["schemas"]["PoolDocumentInput"];
            } | {
                /** @constant */
                readonly kind: "access_rule";
                readonly document: components["schemas"]["AccessRuleDocumentInput"];
            })[];
            /** @default [] */
            readonly remove?: readonly {
                /** @enum {string} */
                readonly kind: "tenant" | "metric" | "product" | "plan" | "override" | "delegation" | "entitlement" | "pool" | "access_rule";
                readonly id: string;
            }[];
            /** @description Why: kept in the history of the registry. */
            readonly reason: string;
            /**
             * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
             * @default false
             */
            readonly privileged?: boolean;
            /**
             * @description Say what would change, change nothing.
             * @default false
             */
            readonly dryRun?: boolean;
            /** @description Refuse with 409 where the registry is not at this version any more. */
            readonly expectedVersion?: string;
        };
        readonly RegistryChange: {
            readonly version: string;
            readonly kind: string;
            readonly id: string;
            /** Format: date-time */
            readonly at: string;
            readonly by: string;
            readonly reason: string;
            readonly privileged: boolean;
            /** @description Null: it is new. */
            readonly before: unknown;
            /** @description Null: it was removed. */
            readonly after: unknown;
        };
        readonly RegistryChangeResult: {
            /** @description Of the registry afterwards; as before where nothing was changed. */
            readonly version: string;
            readonly dryRun: boolean;
            readonly entries: readonly {
                /** @enum {string} */
                readonly kind: "tenant" | "metric" | "product" | "plan" | "override" | "delegation" | "entitlement" | "pool" | "access_rule";
                readonly id: string;
                /** @enum {string} */
                readonly change: "created" | "changed" | "removed" | "unchanged";
                /** @description `unit: token → byte`, for what is changed. */
                readonly details: readonly string[];
                /** @description Done by nothing but the right of whoever did it. */
                readonly privileged: boolean;
            }[];
        };
        readonly RegistryDocument: {
            readonly id: string;
            /** @description The version of the registry that made it so. */
            readonly version: string;
            /** Format: date-time */
            readonly changedAt: string;
            /** @description As it is written: see the schema of the body that writes it. */
            readonly document: {
                readonly [key: string]: unknown;
            };
        };
        readonly Reservation: {
            readonly id: string;
            readonly pool: string;
            readonly tenantId: string;
            readonly key: string;
            readonly units: string;
            /**
             * @description As it is now, whether or not an expiry was written down.
             * @enum {string}
             */
            readonly state: "held" | "confirmed" | "released" | "expired";
            readonly fencingToken: string;
            readonly holder: string;
            readonly renewals: string;
            /** Format: date-time */
            readonly reservedAt: string;
            readonly confirmedAt: string | null;
            /** @description Null: until it is released. */
            readonly expiresAt: string | null;
            readonly endedAt: string | null;
        };
        readonly SettledEvents: {
            readonly ids: readonly string[];
            /** @description Null: this was the last page. */
            readonly nextCursor: string | null;
        };
        readonly TenantDocumentInput: {
            readonly id: string;
            readonly name: string;
            readonly parent: string | null;
            readonly class: ("internal" | "arms_length" | "external") | null;
            readonly plan: string | null;
            /** @enum {string} */
            readonly status: "active" | "suspended" | "closed";
            readonly billing?: {
                /** @default UTC */
                readonly timeZone?: string;
                /** @default 1 */
                readonly anchorDay?: number;
            };
        };
        readonly Usage: {
            readonly tenantId: string;
            readonly descendants: boolean;
            readonly together: boolean;
            /** @enum {string} */
            readonly granularity: "hour" | "day" | "month" | "total";
            readonly timeZone: string;
            /** @description RFC 3339 in UTC, with milliseconds. */
            readonly from: string;
            /** @description RFC 3339 in UTC, with milliseconds. */
            readonly to: string;
            readonly asOf: components["schemas"]["UsageAsOf"];
            /** @description In the order of tenant, metric, start and attributes. */
            readonly rows: readonly components["schemas"]["UsageRow"][];
            /** @description Null: this was the last page. */
            readonly nextCursor: string | null;
        };
        readonly UsageAsOf: {
            /** @description Every event that the broker had before this instant is in the numbers, or waits in quarantine. Null: not known, as while a partition has not been counted yet. */
            readonly completeThrough: string | null;
            /** @description Events of all tenants that the broker has and that are not counted yet. Null: the broker could not be asked. */
            readonly eventsBehind: string | null;
            /** @description Partitions whose counting has stopped until a person acts; completeThrough stands still meanwhile. */
            readonly haltedPartitions: readonly number[];
            /** @description Of the events in these rows, the share that reached the broker more than five minutes after their hour was over: 0 to 1, six decimals, rounded up. */
            readonly lateShare: string | null;
            /** @description Why there is no lateShare: there are no events, or some were counted before this was written down. */
            readonly lateShareUnknown: ("no_events" | "not_recorded") | null;
        };
        /** @description A usage event as a CloudEvent 1.0. */
        readonly UsageCloudEventInput: {
            /** @constant */
            readonly specversion: "1.0";
            /** @description With `source`, what makes it this event and no other. */
            readonly id: string;
            /** @description A URI reference. */
            readonly source: string;
            /** @description The metric. */
            readonly type: string;
            /** @description The tenant. Default: the tenant of the key. */
            readonly subject?: string;
            /**
             * Format: date-time
             * @description Default: the time of receipt.
             */
            readonly time?: string;
            readonly datacontenttype?: string;
            readonly correlationid?: string;
            readonly data?: {
                /**
                 * @description Decimal: at most 29 digits before the point and 9 after. As text it is exact.
                 * @default 1
                 */
                readonly value?: string | number;
                readonly unit?: string | null;
                readonly attrs?: {
                    readonly [key: string]: string;
                };
                readonly attribution?: {
                    readonly [key: string]: string;
                } | null;
            } | null;
        } & {
            readonly [key: string]: unknown;
        };
        /** @description A tenant used some amount of a metric at an instant. The same id always carries the same content. */
        readonly UsageEventInput: {
            readonly id?: string;
            /** @description Default: the tenant of the key. */
            readonly tenantId?: string;
            readonly metric: string;
            readonly unit?: string | null;
            /** @description Who sends. Default: the id of the key. */
            readonly source?: string;
            readonly attrs?: {
                readonly [key: string]: string;
            };
            /** @description Default: that of the request. */
            readonly correlationId?: string | null;
            readonly attribution?: {
                readonly [key: string]: string;
            } | null;
            /**
             * @description Decimal: at most 29 digits before the point and 9 after. As text it is exact.
             * @default 1
             */
            readonly value?: string | number;
            /** @description Event time: RFC 3339 with a zone, or epoch milliseconds. Default: the time of receipt. */
            readonly ts?: string | number;
        };
        readonly UsageRow: {
            readonly tenantId: string;
            readonly metric: string;
            readonly unit: string;
            /** @description Which of the numbers below is the usage. */
            readonly aggregation: string;
            /** @description First instant of the row: of its period, or of the span where that begins later. */
            readonly start: string;
            /** @description Not included. */
            readonly end: string;
            /** @description Of the attributes in groupBy, those that the events carry. */
            readonly attrs: {
                readonly [key: string]: string;
            };
            /** @description By the metric's aggregation; exact. */
            readonly usage: string;
            /** @description Exact decimal, without trailing zeros. */
            readonly sum: string;
            /** @description Events. */
            readonly count: string;
            /** @description Exact decimal, without trailing zeros. */
            readonly min: string;
            /** @description Exact decimal, without trailing zeros. */
            readonly max: string;
            /** @description Value of the event with the latest time. */
            readonly latest: string;
            /** @description Of the events, those that came late. Null: not recorded for some of them. */
            readonly lateEvents: string | null;
        };
        readonly UsageSummary: {
            readonly tenantId: string;
            /**
             * @description internal: limits never block; arms_length: they warn; external: hard ones block.
             * @enum {string}
             */
            readonly class: "internal" | "arms_length" | "external";
            /** @description Of the limits. */
            readonly registryVersion: string;
            readonly asOf: components["schemas"]["AsOf"];
            /** @description Those used this month, or limited; by name. */
            readonly metrics: readonly components["schemas"]["MetricSummary"][];
            /** @description Null: this was the last page. */
            readonly nextCursor: string | null;
        };
        readonly Webhook: {
            /** Format: uuid */
            readonly id: string;
            readonly tenantId: string;
            readonly url: string;
            readonly description: string;
            readonly events: readonly string[];
            readonly metrics: readonly string[] | null;
            readonly thresholds: readonly number[];
            readonly planThresholds: boolean;
            readonly quietSeconds: number;
            readonly enabled: boolean;
            /** @description `failing`: for days. `gone`: it answered 410. */
            readonly disabledReason: ("asked" | "failing" | "gone") | null;
            readonly disabledAt: string | null;
            readonly previousSecretValidUntil: string | null;
            /** @description In a row. */
            readonly failures: number;
            readonly failingSince: string | null;
            /** @description It failed too often: nothing is sent before. */
            readonly pausedUntil: string | null;
            /** @description As much waits as may: new events find no room. */
            readonly fullSince: string | null;
            readonly lastSuccessAt: string | null;
            readonly lastError: string | null;
            /** Format: date-time */
            readonly createdAt: string;
            readonly createdBy: string;
            /** Format: date-time */
            readonly changedAt: string;
        };
        readonly WebhookChangeInput: {
            /** @description https, and on public addresses only. */
            readonly url?: string;
            readonly description?: string;
            readonly events?: readonly ("usage.threshold_reached" | "quota.denied" | "quota.warned" | "webhook.disabled")[];
            /** @description Only of these; null: all. */
            readonly metrics?: readonly string[] | null;
            /** @description Percent of a tenant’s limit in force, told once each in a period. */
            readonly thresholds?: readonly number[];
            /** @description Also the thresholds of the plans (`warnAt`). */
            readonly planThresholds?: boolean;
            /** @description Decisions alike are told once in a window of so many seconds; 0: each of them. */
            readonly quietSeconds?: number;
            /** @description Enabling forgets that it failed; what is dead is replayed on request only. */
            readonly enabled?: boolean;
        };
        readonly WebhookDeliveries: {
            readonly deliveries: readonly components["schemas"]["WebhookDelivery"][];
            /** @description Null: this was the last page. */
            readonly nextCursor: string | null;
        };
        readonly WebhookDelivery: {
            /**
             * Format: uuid
             * @description `webhook-id` of the message.
             */
            readonly id: string;
            /** @description That the event is about. */
            readonly tenantId: string;
            /** @enum {string} */
            readonly type: "usage.threshold_reached" | "quota.denied" | "quota.warned" | "webhook.disabled" | "webhook.ping";
            /** Format: date-time */
            readonly occurredAt: string;
            /** Format: date-time */
            readonly createdAt: string;
            /** @enum {string} */
            readonly state: "pending" | "delivered" | "dead";
            readonly attempts: number;
            readonly replays: number;
            readonly nextAttemptAt: string | null;
            readonly lastAttemptAt: string | null;
            readonly lastStatus: number | null;
            readonly lastError: string | null;
            readonly endedAt: string | null;
            /** @description As it is sent: a `WebhookEvent`. */
            readonly body: string;
        };
        readonly WebhookPinged: {
            /** Format: uuid */
            readonly deliveryId: string;
        };
        readonly WebhookReplayInput: {
            /**
             * Format: date-time
             * @description Of when they were made; in.
             */
            readonly from: string;
            /**
             * Format: date-time
             * @description Out.
             */
            readonly to: string;
            /**
             * @default [
             *       "dead"
             *     ]
             */
            readonly states?: readonly ("dead" | "delivered")[];
            /** @description `nextCursor` of the page before. */
            readonly cursor?: string;
        };
        readonly WebhookReplayed: {
            readonly replayed: number;
            /** @description Null: all of it is on its way. Else ask again with it. */
            readonly nextCursor: string | null;
        };
        readonly WebhookSecretRotationInput: {
            /**
             * @description How long messages are signed with the old secret too.
             * @default 86400
             */
            readonly overlapSeconds?: number;
        };
        readonly WebhookWithSecret: {
            readonly webhook: components["schemas"]["Webhook"];
            /** @description `whsec_…`. Shown this once. */
            readonly secret: string;
        };
        readonly Webhooks: {
            readonly webhooks: readonly components["schemas"]["Webhook"][];
            /** @description Null: this was the last page. */
            readonly nextCursor: string | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    readonly getHealth: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly alive: boolean;
                        readonly stuck: readonly {
                            readonly part: string;
                            readonly reason: string;
                        }[];
                    };
                };
            };
        };
    };
    readonly getReadiness: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly ready: boolean;
                        readonly parts: readonly {
                            readonly part: string;
                            readonly ready: boolean;
                            /** @description Without it the service is not ready. */
                            readonly required: boolean;
                            readonly reason: string | null;
                        }[];
                    };
                };
            };
        };
    };
    readonly getUsage: {
        readonly parameters: {
            readonly query?: {
                /** @description Whose usage; the key's own tenant unless given. */
                readonly tenantId?: string;
                /** @description Also of every tenant below it, as the tree is now: a row for each of them. */
                readonly descendants?: "true" | "false";
                /** @description With `descendants`: one row for all of them added up, under the tenant asked about. */
                readonly together?: "true" | "false";
                /** @description Only these, up to 20; every metric unless given. */
                readonly metric?: string | readonly string[];
                /** @description First hour: an instant (`2026-11-01T00:00:00Z`) on the hour, or a day (`2026-11-01`) in `timeZone`. 24 hours before `to` unless given. */
                readonly from?: string;
                /** @description Not included; the same forms. The end of this hour unless given. */
                readonly to?: string;
                /** @description What a row is of. Days and months are those of `timeZone`. */
                readonly granularity?: "hour" | "day" | "month" | "total";
                /** @description IANA name of a zone that is whole hours from UTC. */
                readonly timeZone?: string;
                /** @description Attributes that split the rows, comma-separated or repeated: `region,model`. Only such as every metric asked for has registered; name `metric` with it. */
                readonly groupBy?: string | readonly string[];
                /** @description `attribute:value`, up to 100: only usage with that value. Several of one attribute: any of them; of several attributes: all of them. Name `metric` with it. */
                readonly filter?: string | readonly string[];
                /** @description Rows at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Usage"];
                };
            };
        };
    };
    readonly getTenantUsage: {
        readonly parameters: {
            readonly query?: {
                /** @description First hour: an instant (`2026-11-01T00:00:00Z`) on the hour, or a day (`2026-11-01`) in `timeZone`. 24 hours before `to` unless given. */
                readonly from?: string;
                /** @description Not included; the same forms. The end of this hour unless given. */
                readonly to?: string;
                /** @description What a row is of; days are UTC days. */
                readonly granularity?: "day" | "hour";
                /** @description Rows at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description Whose usage. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Usage"];
                };
            };
        };
    };
    readonly getUsageSummary: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["UsageSummary"];
                };
            };
        };
    };
    readonly decide: {
        readonly parameters: {
            readonly query?: {
                /** @description With `steps`: each thing that was asked, its answer, and why. They name rules and limits of others, so only keys of the platform get them. */
                readonly explain?: "true" | "false";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["DecisionQuestionInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Decision"];
                };
            };
        };
    };
    readonly decideBatch: {
        readonly parameters: {
            readonly query?: {
                /** @description With `steps`: each thing that was asked, its answer, and why. They name rules and limits of others, so only keys of the platform get them. */
                readonly explain?: "true" | "false";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly questions: readonly components["schemas"]["DecisionQuestionInput"][];
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        /** @description In the order of the questions. */
                        readonly decisions: readonly components["schemas"]["Decision"][];
                    };
                };
            };
        };
    };
    readonly listTenants: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getTenant: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putTenant: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["TenantDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listMetrics: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getMetric: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putMetric: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["MetricDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listProducts: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getProduct: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putProduct: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["ProductDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly deleteProduct: {
        readonly parameters: {
            readonly query: {
                /** @description Why: kept in the history of the registry. */
                readonly reason: string;
                /** @description Refuse with 409 where the registry is not at this version any more. */
                readonly expectedVersion?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listPlans: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getPlan: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putPlan: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["PlanDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly deletePlan: {
        readonly parameters: {
            readonly query: {
                /** @description Why: kept in the history of the registry. */
                readonly reason: string;
                /** @description Refuse with 409 where the registry is not at this version any more. */
                readonly expectedVersion?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listOverrides: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getOverride: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putOverride: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["OverrideDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly deleteOverride: {
        readonly parameters: {
            readonly query: {
                /** @description Why: kept in the history of the registry. */
                readonly reason: string;
                /** @description Refuse with 409 where the registry is not at this version any more. */
                readonly expectedVersion?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listDelegations: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getDelegation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putDelegation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["DelegationDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly deleteDelegation: {
        readonly parameters: {
            readonly query: {
                /** @description Why: kept in the history of the registry. */
                readonly reason: string;
                /** @description Refuse with 409 where the registry is not at this version any more. */
                readonly expectedVersion?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listEntitlements: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getEntitlement: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putEntitlement: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["EntitlementDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly deleteEntitlement: {
        readonly parameters: {
            readonly query: {
                /** @description Why: kept in the history of the registry. */
                readonly reason: string;
                /** @description Refuse with 409 where the registry is not at this version any more. */
                readonly expectedVersion?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listPools: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getPool: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putPool: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["PoolDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listAccessRules: {
        readonly parameters: {
            readonly query?: {
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly documents: readonly components["schemas"]["RegistryDocument"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly getAccessRule: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryDocument"];
                };
            };
        };
    };
    readonly putAccessRule: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    readonly document: components["schemas"]["AccessRuleDocumentInput"];
                    /** @description Why: kept in the history of the registry. */
                    readonly reason: string;
                    /**
                     * @description Raise ceilings, or delegate the right to: only `platform_admin`, and audited as such.
                     * @default false
                     */
                    readonly privileged?: boolean;
                    /**
                     * @description Say what would change, change nothing.
                     * @default false
                     */
                    readonly dryRun?: boolean;
                    /** @description Refuse with 409 where the registry is not at this version any more. */
                    readonly expectedVersion?: string;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly deleteAccessRule: {
        readonly parameters: {
            readonly query: {
                /** @description Why: kept in the history of the registry. */
                readonly reason: string;
                /** @description Refuse with 409 where the registry is not at this version any more. */
                readonly expectedVersion?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly applyRegistry: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["RegistryApplicationInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly getRegistryHistory: {
        readonly parameters: {
            readonly query?: {
                readonly kind?: "tenant" | "metric" | "product" | "plan" | "override" | "delegation" | "entitlement" | "pool" | "access_rule";
                readonly id?: string;
                /** @description Only what was done by privilege. */
                readonly privileged?: "true" | "false";
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly changes: readonly components["schemas"]["RegistryChange"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly overrideLimit: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A slash in it is written as %2F. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["LimitOverrideInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RegistryChangeResult"];
                };
            };
        };
    };
    readonly listKeys: {
        readonly parameters: {
            readonly query?: {
                /** @description This tenant and all below it. Default: all that the key may see. */
                readonly tenantId?: string;
                /** @description `false`: of the tenant itself only, not of those below it. */
                readonly descendants?: "true" | "false";
                /** @description Those after this one; `cursor` stands above it. */
                readonly after?: string;
                /** @description Also revoked ones. */
                readonly revoked?: "true" | "false";
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly keys: readonly components["schemas"]["ApiKey"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly createKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewApiKeyRequestInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["NewApiKey"];
                };
            };
        };
    };
    readonly rotateKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": {
                    /** @description How long the present secret stays good. 0: it ends now. */
                    readonly overlapMs: number;
                };
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["NewApiKey"];
                };
            };
        };
    };
    readonly revokeKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ApiKey"];
                };
            };
        };
    };
    readonly getAudit: {
        readonly parameters: {
            readonly query?: {
                /** @description This tenant and all below it. Default: all that the key may see. */
                readonly tenantId?: string;
                /** @description `false`: of the tenant itself only, not of those below it. */
                readonly descendants?: "true" | "false";
                /** @description Those before this `seq`; `cursor` stands above it. */
                readonly before?: string;
                readonly action?: string;
                readonly actorId?: string;
                readonly since?: string;
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly entries: readonly components["schemas"]["AuditEntry"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly listQuarantine: {
        readonly parameters: {
            readonly query?: {
                /** @description This tenant and all below it. Default: all that the key may see. */
                readonly tenantId?: string;
                /** @description `false`: of the tenant itself only, not of those below it. */
                readonly descendants?: "true" | "false";
                /** @description These, up to 200. */
                readonly id?: string | readonly string[];
                readonly reason?: string;
                readonly metric?: string;
                /** @description Any of these. */
                readonly status?: ("waiting" | "replay_requested" | "counted" | "duplicate" | "discarded") | readonly ("waiting" | "replay_requested" | "counted" | "duplicate" | "discarded")[];
                /** @description Those after this id; `cursor` stands above it. */
                readonly after?: string;
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly events: readonly components["schemas"]["QuarantinedEvent"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly countQuarantine: {
        readonly parameters: {
            readonly query?: {
                /** @description This tenant and all below it. Default: all that the key may see. */
                readonly tenantId?: string;
                /** @description `false`: of the tenant itself only, not of those below it. */
                readonly descendants?: "true" | "false";
                /** @description These, up to 200. */
                readonly id?: string | readonly string[];
                readonly reason?: string;
                readonly metric?: string;
                /** @description Any of these. */
                readonly status?: ("waiting" | "replay_requested" | "counted" | "duplicate" | "discarded") | readonly ("waiting" | "replay_requested" | "counted" | "duplicate" | "discarded")[];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly counts: readonly components["schemas"]["QuarantineCount"][];
                    };
                };
            };
        };
    };
    readonly getQuarantinedEvent: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["QuarantineCase"];
                };
            };
        };
    };
    readonly replayQuarantined: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["QuarantineSelectionInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SettledEvents"];
                };
            };
        };
    };
    readonly discardQuarantined: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["QuarantineSelectionInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SettledEvents"];
                };
            };
        };
    };
    readonly listDecisions: {
        readonly parameters: {
            readonly query?: {
                /** @description This tenant and all below it. Default: all that the key may see. */
                readonly tenantId?: string;
                /** @description `false`: of the tenant itself only, not of those below it. */
                readonly descendants?: "true" | "false";
                readonly outcome?: "allow" | "deny" | "warn";
                readonly reason?: "ok" | "unknown_tenant" | "tenant_suspended" | "tenant_closed" | "registry_incomplete" | "policy_denied" | "policy_unavailable" | "missing_entitlement" | "unknown_unit" | "stale_snapshot" | "quota_exhausted" | "quota_warning" | "quota_unavailable" | "rate_limited" | "rate_unavailable" | "no_capacity" | "capacity_unavailable";
                readonly since?: string;
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly decisions: readonly components["schemas"]["KeptDecision"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly explainDecision: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ExplainedDecision"];
                };
            };
        };
    };
    readonly listReservations: {
        readonly parameters: {
            readonly query?: {
                /** @description This tenant and all below it. Default: all that the key may see. */
                readonly tenantId?: string;
                /** @description `false`: of the tenant itself only, not of those below it. */
                readonly descendants?: "true" | "false";
                readonly pool?: string;
                /** @description Any of these. */
                readonly state?: ("held" | "confirmed" | "released" | "expired") | readonly ("held" | "confirmed" | "released" | "expired")[];
                /** @description Those after this id; `cursor` stands above it. */
                readonly after?: string;
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly reservations: readonly components["schemas"]["Reservation"][];
                        /** @description Null: this was the last page. */
                        readonly nextCursor: string | null;
                    };
                };
            };
        };
    };
    readonly listWebhooks: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Webhooks"];
                };
            };
        };
    };
    readonly createWebhook: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewWebhookInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WebhookWithSecret"];
                };
            };
        };
    };
    readonly getWebhook: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Webhook"];
                };
            };
        };
    };
    readonly deleteWebhook: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    readonly changeWebhook: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["WebhookChangeInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Webhook"];
                };
            };
        };
    };
    readonly rotateWebhookSecret: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["WebhookSecretRotationInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WebhookWithSecret"];
                };
            };
        };
    };
    readonly listWebhookDeliveries: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
                /** @description Entries at most. */
                readonly limit?: number;
                /** @description `nextCursor` of the page before. */
                readonly cursor?: string;
                /** @description `dead` are the dead letters. */
                readonly state?: "pending" | "delivered" | "dead";
                readonly from?: string;
                readonly to?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WebhookDeliveries"];
                };
            };
        };
    };
    readonly pingWebhook: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WebhookPinged"];
                };
            };
        };
    };
    readonly replayWebhookDelivery: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
                readonly deliveryId: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WebhookReplayed"];
                };
            };
        };
    };
    readonly replayWebhookDeliveries: {
        readonly parameters: {
            readonly query?: {
                /** @description The tenant that it is of, with all below it. The key’s own by default. */
                readonly tenantId?: string;
            };
            readonly header?: never;
            readonly path: {
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["WebhookReplayInput"];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WebhookReplayed"];
                };
            };
        };
    };
    readonly getOpenApi: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly [key: string]: unknown;
                    };
                };
            };
        };
    };
    readonly sendEvents: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: {
                /** @description New for each request, such as a UUID, and the same when the request is repeated: events without an id get one that follows from it and from their position. */
                readonly "idempotency-key"?: string;
            };
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["UsageEventInput"] | readonly components["schemas"]["UsageEventInput"][];
                readonly "application/x-ndjson": string;
                readonly "application/cloudevents+json": components["schemas"]["UsageCloudEventInput"];
                readonly "application/cloudevents-batch+json": readonly components["schemas"]["UsageCloudEventInput"][];
            };
        };
        readonly responses: {
            /** @description Default Response */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EventsAnswer"];
                };
            };
            /** @description Not all acknowledged */
            readonly 207: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EventsAnswer"];
                };
            };
        };
    };
}
