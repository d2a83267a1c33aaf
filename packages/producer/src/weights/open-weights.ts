import type { Tools } from '../adapter.ts';
import type { Answering } from '../answers/asking.ts';
import type { MeterOptions } from '../configuration/schema.ts';
import type { DeliveryLimits } from '../delivery.ts';
import type { WeightsOptions } from '../configuration/weights-options.ts';
import { openLogLines } from '../log-lines/log-lines.ts';
import { AuditLog } from './audit-log.ts';
import { TenantWeights } from './tenant-weights.ts';

interface Weighing {
  readonly weights: TenantWeights | null;
  readonly openAuditLog: (limits: DeliveryLimits) => AuditLog | null;
}

/** Without weights in the configuration no class is asked for, and all are metered. */
export function openWeights(
  { weights: options, log, source }: MeterOptions,
  answering: (from: WeightsOptions['from']) => Answering,
  { clock, random, logger }: Tools,
): Weighing {
  if (options === undefined) return { weights: null, openAuditLog: () => null };
  const { name, reader } = answering(options.from);
  const classOf = async () => {
    const port = (await reader()).classOf;
    if (port === null) throw new Error(`${name} does not know classes: name who does in weights.from`);
    return port;
  };
  const audits = [options.internal, options.armsLength, options.external].some(
    (weight) => weight !== 'meter' && weight !== 'off',
  );
  return {
    weights: new TenantWeights(options, { classOf, clock, logger }),
    openAuditLog: (limits) =>
      audits
        ? new AuditLog(openLogLines(log ?? { level: 'info' }, source), limits, { clock, random, logger })
        : null,
  };
}
