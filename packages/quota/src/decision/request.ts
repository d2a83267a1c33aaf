import type { Billionths } from '@meterhouse/usage';
import type { Actor } from '../policy-port.ts';

/** May this actor do this here, has it quota left, is there capacity? */
export interface DecisionRequest {
  readonly correlationId: string;
  readonly actor: Actor;
  /** The scope it is asked in: a project, department or organization. */
  readonly tenantId: string;
  readonly product: string;
  readonly resourceType: string;
  readonly action: string;
  /** What it will use, or null where the action uses nothing that is metered. */
  readonly usage: RequestedUsage | null;
  /** Units of the action's capacity pool; 0 where it takes none. */
  readonly slots: number;
}

export interface RequestedUsage {
  readonly metric: string;
  readonly unit: string;
  /** Billionths, not negative. 0 asks whether anything is left. */
  readonly delta: Billionths;
}
