/** Usage of scopes in the periods that one hour lies in, as the hours go by. */
import { mergeTotals, periodStart, type Totals } from '@meterhouse/usage';
import { QUOTA_PERIODS, type QuotaPeriod } from '../registry/documents.ts';

interface Running {
  start: number;
  readonly totals: Totals;
}

export class RunningTotals {
  readonly #byScope = new Map<string, Map<QuotaPeriod, Running>>();

  clear(): void {
    this.#byScope.clear();
  }

  /** @param hour epoch ms, never earlier than one that was added before */
  add(scopes: readonly string[], hour: number, usage: Readonly<Totals>): void {
    for (const scope of scopes) {
      let periods = this.#byScope.get(scope);
      if (periods === undefined) {
        periods = new Map();
        this.#byScope.set(scope, periods);
      }
      for (const period of QUOTA_PERIODS) {
        const start = periodStart(period, hour);
        const running = periods.get(period);
        if (running?.start === start) mergeTotals(running.totals, usage);
        else periods.set(period, { start, totals: totalsOf(usage) });
      }
    }
  }

  /** Null where nothing was used in the period that the hour lies in. */
  of(scope: string, period: QuotaPeriod, hour: number): Readonly<Totals> | null {
    const running = this.#byScope.get(scope)?.get(period);
    return running?.start === periodStart(period, hour) ? running.totals : null;
  }
}

function totalsOf({ sum, count, min, max, latest, latestTs, latestId }: Readonly<Totals>): Totals {
  return { sum, count, min, max, latest, latestTs, latestId };
}
