import type { FaultKind, FaultOf } from '../plan/fault.ts';
import type { System } from '../system.ts';

export interface Landing<Kind extends FaultKind> {
  /** What no other fault may touch meanwhile. */
  readonly holds: (fault: FaultOf<Kind>) => readonly string[];
  /**
   * Lets the fault land, and resolves when what it broke has been put back (not: has recovered).
   * @param landed called at the moment of the blow, with what was hit; a fault that never calls it
   *   does not count
   */
  readonly land: (system: System, fault: FaultOf<Kind>, landed: (target: string) => void) => Promise<void>;
}
