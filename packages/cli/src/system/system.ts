/**
 * What commands ask of a running Meterhouse, whether its stores are asked directly or its API is.
 * `by` is whom the command line names as the author; null: nobody. Over the API it is the key's holder
 * who is written down, and naming another is wrong usage.
 */
import type {
  AsOf,
  AuditedChange,
  QuarantineCase,
  QuarantineCount,
  QuarantineFilter,
  QuarantinedEvent,
  ReplayOutcomes,
  StoredDocument,
} from '@meterhouse/postgres';
import type { ApiKey, ApiRole, AuditRow } from '@meterhouse/postgres/access';
import type { Reservation, ReservationState } from '@meterhouse/postgres/capacity';
import type { DecisionRow } from '@meterhouse/postgres/decisions';
import type { OverrideDocument, PlanEntry, RegistryState, WantedDocument } from '@meterhouse/quota';
import type { UsageEvent } from '@meterhouse/usage';
import type { DecideOptions } from '../decide/asked.ts';
import type { ShownDecision } from '../decide/decision-text.ts';
import type { Explanation } from '../decisions/explain-decision.ts';
import type { Waited } from '../import/import-text.ts';
import type { FileImport } from '../import/import-file.ts';
import type { Decoded } from '../quarantine/quarantine-text.ts';
import type { Span } from '../usage/period.ts';
import type { UsageLine } from '../usage/usage-table.ts';

export interface System {
  readonly registry: RegistryDesk;
  readonly usage: (question: UsageAsked) => Promise<UsageRead>;
  readonly keys: KeyDesk;
  /** The newest first. */
  readonly audit: (filter: AuditAsked) => Promise<readonly AuditRow[]>;
  readonly quarantine: QuarantineDesk;
  readonly decisions: DecisionDesk;
  /** In the order in which they were made. */
  readonly reservations: (filter: ReservationsAsked) => Promise<readonly Reservation[]>;
  /** @param waits whether `counted` will be asked for */
  readonly openImport: (waits: boolean) => Promise<ImportRun>;
}

export interface ChangeOptions {
  readonly by: string | null;
  readonly why: string;
  readonly privileged: boolean;
  readonly dryRun: boolean;
}

export interface RegistryChanged {
  readonly version: bigint;
  readonly dryRun: boolean;
  readonly entries: readonly PlanEntry[];
}

export interface RegistryDesk {
  /** All documents, of one version. */
  read(): Promise<{ readonly version: bigint; readonly documents: readonly StoredDocument[] }>;
  /**
   * All or nothing.
   * @param what names it in the error, such as the file
   * @throws ProblemsError listing everything that is wrong with it
   */
  change(
    what: string,
    wanted: (now: RegistryState) => readonly WantedDocument[],
    options: ChangeOptions,
  ): Promise<RegistryChanged>;
  override(document: Omit<OverrideDocument, 'author'>, options: ChangeOptions): Promise<RegistryChanged>;
  /** The newest first. */
  history(filter: {
    readonly kind: string | null;
    readonly id: string | null;
    readonly privileged: boolean;
    readonly limit: number;
  }): Promise<readonly AuditedChange[]>;
}

export interface UsageAsked {
  readonly tenantId: string;
  readonly descendants: boolean;
  /** Null: all. */
  readonly metric: string | null;
  readonly span: Span;
  readonly by: 'hour' | 'day' | 'total';
  readonly store: 'postgres' | 'clickhouse';
  readonly maxRows: number;
}

export interface UsageRead {
  readonly lines: readonly UsageLine[];
  readonly asOf: AsOf;
}

interface NewKeyAsked {
  readonly role: ApiRole;
  readonly tenantId: string | null;
  readonly name: string;
  /** Epoch ms; null: never. */
  readonly expiresAt: number | null;
  readonly by: string | null;
}

/** A key with its secret, which is told this once. */
interface ToldKey {
  readonly key: ApiKey;
  readonly text: string;
}

export interface KeyDesk {
  create(asked: NewKeyAsked): Promise<ToldKey>;
  /** In the order of ids. */
  list(asked: {
    readonly tenantId: string | null;
    readonly revoked: boolean;
    readonly after: string | null;
    readonly limit: number;
  }): Promise<readonly ApiKey[]>;
  rotate(keyId: string, overlapMs: number, by: string | null): Promise<ToldKey>;
  revoke(keyId: string, by: string | null): Promise<ApiKey>;
}

export interface AuditAsked {
  readonly tenantId: string | null;
  readonly action: string | null;
  readonly actorId: string | null;
  /** Epoch ms. */
  readonly since: number | null;
  readonly beforeSeq: bigint | null;
  readonly limit: number;
}

export interface QuarantineDesk {
  counts(filter: QuarantineFilter): Promise<readonly QuarantineCount[]>;
  list(
    filter: QuarantineFilter,
    page: { readonly afterId: bigint; readonly limit: number },
  ): Promise<readonly QuarantinedEvent[]>;
  /** Null where there is none of this id. */
  read(id: bigint): Promise<{ readonly found: QuarantineCase; readonly decoded: Decoded } | null>;
  /** @returns the events that were waiting until then */
  settle(
    what: 'replay' | 'discard',
    filter: QuarantineFilter,
    request: { readonly by: string | null; readonly reason: string },
  ): Promise<readonly bigint[]>;
  outcomes(ids: readonly bigint[]): Promise<ReplayOutcomes>;
}

export interface DecisionDesk {
  /** The newest first. */
  list(filter: {
    readonly tenantId: string | null;
    readonly outcome: 'allow' | 'deny' | 'warn' | null;
    readonly reason: string | null;
    readonly since: number | null;
    readonly limit: number;
  }): Promise<readonly DecisionRow[]>;
  explain(id: string): Promise<Explanation>;
  /** Decides now; nothing is taken. */
  decide(asked: DecideOptions): Promise<ShownDecision>;
}

export interface ReservationsAsked {
  readonly pool: string | null;
  readonly tenantId: string | null;
  readonly states: readonly ReservationState[];
  readonly afterId: bigint;
  readonly limit: number;
}

export type SentOutcome =
  | { readonly kind: 'acknowledged'; readonly event: UsageEvent }
  | { readonly kind: 'refused'; readonly error: { readonly field: string | null; readonly message: string } }
  | { readonly kind: 'not_acknowledged' };

/** Sends events at the speed that they are taken, and says once for each, by its position, what became of it. */
export type SendEvents = (
  events: AsyncIterable<UsageEvent>,
  onOutcome: (index: number, outcome: SentOutcome) => void,
) => Promise<{ readonly acknowledged: number; readonly notAcknowledged: number }>;

export interface ImportRun {
  readonly send: SendEvents;
  /** Writes down what was imported. */
  done(file: FileImport): Promise<void>;
  /** Returns when all of it is counted or quarantined. */
  counted(deadlineMs: number): Promise<Waited>;
  close(): Promise<void>;
}
