/** Every command that there is. */
import type { Command } from 'commander';
import { addApply } from './commands/apply.ts';
import { addAudit } from './commands/audit.ts';
import { addBacktest } from './commands/backtest.ts';
import { addDecide } from './commands/decide.ts';
import { addDecisions } from './commands/decisions.ts';
import { addImport } from './commands/import.ts';
import { addKeys } from './commands/keys.ts';
import { addLag } from './commands/lag.ts';
import { addLimits } from './commands/limits.ts';
import { addMigrate } from './commands/migrate.ts';
import { addPools } from './commands/pools.ts';
import { addQuarantine } from './commands/quarantine.ts';
import { addRebuild } from './commands/rebuild.ts';
import { addReconcile } from './commands/reconcile.ts';
import { addRegistry } from './commands/registry.ts';
import { addRelay } from './commands/relay.ts';
import { addReservations } from './commands/reservations.ts';
import { addResumePartition } from './commands/resume-partition.ts';
import { addSpool } from './commands/spool.ts';
import { addStatus } from './commands/status.ts';
import { addUsage } from './commands/usage.ts';
import type { Run } from './context.ts';

export function addCommands(program: Command, run: Run): void {
  addMigrate(program, run);
  addApply(program, run);
  addRegistry(program, run);
  addLimits(program, run);
  addBacktest(program, run);
  addImport(program, run);
  addUsage(program, run);
  addDecide(program, run);
  addStatus(program, run);
  addLag(program, run);
  addRelay(program, run);
  addQuarantine(program, run);
  addSpool(program, run);
  addReconcile(program, run);
  addRebuild(program, run);
  addResumePartition(program, run);
  addPools(program, run);
  addReservations(program, run);
  addDecisions(program, run);
  addKeys(program, run);
  addAudit(program, run);
}
