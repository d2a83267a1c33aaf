/** Servers that are killed and started again, or frozen for a while. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PartName } from '@meterhouse/dev-stack';
import type { System } from '../system.ts';
import type { Landing } from './landing.ts';

type LandOnPart = (
  system: System,
  fault: { readonly durationMs: number },
  landed: (target: string) => void,
) => Promise<void>;

function killed(name: PartName): LandOnPart {
  return async ({ stack }, { durationMs }, landed) => {
    const part = stack.part(name);
    landed(`pid ${part.pid}, down for ${durationMs} ms and its start`);
    await part.kill('SIGKILL');
    await delay(durationMs);
    await part.start();
  };
}

function frozen(name: PartName): LandOnPart {
  return async ({ stack }, { durationMs }, landed) => {
    const part = stack.part(name);
    landed(`pid ${part.pid}, ${durationMs} ms`);
    await part.kill('SIGSTOP');
    await delay(durationMs);
    await part.kill('SIGCONT');
  };
}

export const brokerKilled: Landing<'broker_killed'> = { holds: () => ['broker'], land: killed('kafka') };
export const brokerFrozen: Landing<'broker_frozen'> = { holds: () => ['broker'], land: frozen('kafka') };
export const clickhouseKilled: Landing<'clickhouse_killed'> = {
  holds: () => ['clickhouse'],
  land: killed('clickhouse'),
};
export const clickhouseFrozen: Landing<'clickhouse_frozen'> = {
  holds: () => ['clickhouse'],
  land: frozen('clickhouse'),
};
