import { Option, type Command } from 'commander';
import {
  overrideId,
  QUOTA_PERIODS,
  TENANT_CLASSES,
  type OverrideDocument,
  type QuotaPeriod,
  type RegistryState,
  type TenantClass,
  type WantedDocument,
} from '@meterhouse/quota';
import { filled, oneOf, textOf } from '../arguments.ts';
import type { Context, Run } from '../context.ts';
import { CommandError, UsageError } from '../exit.ts';
import { endedOverride, tenantWith } from '../limits/limit-documents.ts';
import { limitsJson, renderLimits } from '../limits/limits-text.ts';
import { limitsOf } from '../limits/limits-view.ts';
import { parseInstantOption } from '../output/instants.ts';
import { planJson, renderPlan } from '../registry/plan-text.ts';
import { policyOf } from '../registry/policy-of.ts';
import { addAuthorOptions, changeOptions, MAX_WHY, type AuthorOptions } from '../registry/author-options.ts';

export function addLimits(program: Command, run: Run): void {
  const limits = program
    .command('limits')
    .description('What limits a tenant: look, attach a plan, override.');
  addShow(limits, run);
  addSet(limits, run);
  addOverride(limits, run);
  addEndOverride(limits, run);
}

function addShow(limits: Command, run: Run): void {
  limits
    .command('show')
    .description('Every ceiling, override, entitlement and rate from the tenant up to its root.')
    .requiredOption('--tenant <id>', 'whose', filled)
    .option('--metric <name>', 'only ceilings and overrides of this one', filled)
    .action(({ tenant, metric }: { tenant: string; metric?: string }) =>
      run(async ({ out, system, now }) => {
        const stored = await system.registry.read();
        const policy = policyOf(stored);
        if (metric !== undefined && policy.metric(metric) === undefined)
          throw new CommandError(`there is no metric ${metric}`, 'see the registry file');
        const view = limitsOf(policy, stored.documents, tenant, metric ?? null, now());
        if (view === null)
          throw new CommandError(
            stored.documents.some((each) => each.kind === 'tenant' && each.id === tenant)
              ? `what limits ${tenant} cannot be read by this release`
              : `there is no tenant ${tenant}`,
            'see "meterhouse registry audit"',
          );
        out.result(limitsJson(view), (palette) => renderLimits(view, palette));
        return 0;
      }),
    );
}

interface SetOptions extends AuthorOptions {
  readonly tenant: string;
  /** False: none. */
  readonly plan?: string | false;
  /** False: its parent's. */
  readonly class?: TenantClass | false;
  readonly status?: string;
}

function addSet(limits: Command, run: Run): void {
  const command = limits
    .command('set')
    .description('Attaches a plan to a tenant, or says its class or status. What is not said stays.')
    .requiredOption('--tenant <id>', 'whose', filled)
    .option('--plan <id>', 'its plan', filled)
    .option('--no-plan', 'takes its plan away')
    .option('--class <class>', TENANT_CLASSES.join(', '), oneOf(TENANT_CLASSES))
    .option('--no-class', 'leaves its class to its parent; a root without one is external')
    .option(
      '--status <status>',
      'active, suspended, closed',
      oneOf(['active', 'suspended', 'closed'] as const),
    );
  addAuthorOptions(command, 'required').action((options: SetOptions) =>
    run(async (context) => {
      const { tenant, plan, class: class_, status } = options;
      if (plan === undefined && class_ === undefined && status === undefined)
        throw new UsageError('nothing to set: give --plan, --class (or --no-plan, --no-class) or --status');
      const change = {
        ...(plan === undefined ? {} : { plan: plan === false ? null : plan }),
        ...(class_ === undefined ? {} : { class: class_ === false ? null : class_ }),
        ...(status === undefined ? {} : { status }),
      };
      return write(context, 'limits set', options, (now) => tenantWith(now, tenant, change));
    }),
  );
}

interface OverrideOptions extends AuthorOptions {
  readonly tenant: string;
  readonly metric: string;
  readonly period: QuotaPeriod;
  readonly value: string;
  readonly reason: string;
  readonly id?: string;
  readonly start?: string;
  readonly expiry?: string;
  readonly raise?: boolean;
  readonly delegation?: string;
}

function addOverride(limits: Command, run: Run): void {
  const command = limits
    .command('override')
    .description('Sets another ceiling for one scope. It narrows, unless it has the right to raise.')
    .requiredOption('--tenant <id>', 'whose, with all below it', filled)
    .requiredOption('--metric <name>', 'of what', filled)
    .requiredOption('--period <period>', QUOTA_PERIODS.join(', '), oneOf(QUOTA_PERIODS))
    .requiredOption('--value <decimal>', 'in the metric’s unit')
    .requiredOption('--reason <text>', 'why: kept with it, and in the audit', textOf(MAX_WHY))
    .option('--id <id>', 'its name (default: TENANT/METRIC/PERIOD); one that is there is changed', filled)
    .option('--start <instant>', 'in force from (default: at once)')
    .option('--expiry <instant>', 'in force until (default: for good)')
    .option('--raise', 'it may raise the ceiling, by privilege: needs --privileged')
    .addOption(
      new Option('--delegation <id>', 'it may raise the ceiling, by this delegation').conflicts('raise'),
    );
  addAuthorOptions(command, 'said_otherwise').action((options: OverrideOptions) =>
    run(async ({ out, system }) => {
      const asked = changeOptions('limits override', { ...options, why: options.reason });
      const changed = await system.registry.override(overrideBody(options), asked);
      out.result(planJson(changed), (palette) => renderPlan(changed, palette));
      return 0;
    }),
  );
}

function overrideBody(options: OverrideOptions): Omit<OverrideDocument, 'author'> {
  const { tenant, metric, period, value, reason, delegation } = options;
  const start = instantOf('--start', options.start);
  const expiry = instantOf('--expiry', options.expiry);
  if (start !== null && expiry !== null && start >= expiry)
    throw new UsageError('--expiry: does not lie after --start');
  const byDelegation = delegation === undefined ? null : ({ by: 'delegation', delegation } as const);
  return {
    id: options.id ?? overrideId(options),
    tenant,
    metric,
    period,
    value,
    raises: options.raise === true ? { by: 'privileged' } : byDelegation,
    reason,
    start,
    expiry,
  };
}

/** In UTC, so that texts sort as instants do. */
function instantOf(option: string, text: string | undefined): string | null {
  return text === undefined ? null : new Date(parseInstantOption(option, text)).toISOString();
}

function addEndOverride(limits: Command, run: Run): void {
  const command = limits
    .command('end-override')
    .description(
      'Ends an override now. It stays in the registry, so that later questions about it have an answer.',
    )
    .argument('<id>', 'as "limits show" names it', filled);
  addAuthorOptions(command, 'required').action((id: string, options: AuthorOptions) =>
    run((context) =>
      write(context, 'limits end-override', options, (now) => endedOverride(now, id, context.now())),
    ),
  );
}

async function write(
  { out, system }: Context,
  what: string,
  options: AuthorOptions,
  document: (now: RegistryState) => WantedDocument,
): Promise<0> {
  const asked = changeOptions(what, options);
  const changed = await system.registry.change(what, (before) => [document(before)], asked);
  out.result(planJson(changed), (palette) => renderPlan(changed, palette));
  return 0;
}
