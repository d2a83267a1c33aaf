/** Every command that there is. */
import type { Command } from 'commander';
import { addApply } from './commands/apply.ts';
import { addMigrate } from './commands/migrate.ts';
import type { Run } from './context.ts';

export function addCommands(program: Command, run: Run): void {
  addMigrate(program, run);
  addApply(program, run);
}
