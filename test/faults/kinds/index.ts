/** How each kind of fault lands; the compiler sees to it that none is missing. */
import type { Fault, FaultKind } from '../plan/fault.ts';
import type { System } from '../system.ts';
import { backendsTerminated } from './backends-terminated.ts';
import { duplicateFlood } from './duplicate-flood.ts';
import { failpoint } from './failpoint.ts';
import { forcedRebalance } from './forced-rebalance.ts';
import type { Landing } from './landing.ts';
import { brokerFrozen, brokerKilled, clickhouseFrozen, clickhouseKilled } from './parts.ts';
import { postgresRestarted } from './postgres-restarted.ts';
import { registryKilled } from './registry-killed.ts';
import { rollingRestart } from './rolling-restart.ts';
import { workerFrozen } from './worker-frozen.ts';
import { workerKilled } from './worker-killed.ts';

const LANDINGS: { readonly [Kind in FaultKind]: Landing<Kind> } = {
  worker_killed: workerKilled,
  worker_frozen: workerFrozen,
  rolling_restart: rollingRestart,
  forced_rebalance: forcedRebalance,
  failpoint,
  postgres_restarted: postgresRestarted,
  backends_terminated: backendsTerminated,
  broker_killed: brokerKilled,
  broker_frozen: brokerFrozen,
  clickhouse_frozen: clickhouseFrozen,
  clickhouse_killed: clickhouseKilled,
  registry_killed: registryKilled,
  duplicate_flood: duplicateFlood,
};

export function holdsOf(fault: Fault): readonly string[] {
  return (LANDINGS[fault.kind] as Landing<FaultKind>).holds(fault);
}

export function land(system: System, fault: Fault, landed: (target: string) => void): Promise<void> {
  return (LANDINGS[fault.kind] as Landing<FaultKind>).land(system, fault, landed);
}
