/** Usage of scopes in the periods that one hour lies in, as the hours go by. */
import { mergeTotals, type Totals } from '@meterhouse/usage';
import { EVER, type Periods } from '@meterhouse/usage/calendar';
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

  /**
   * @param periods of the scopes' tree
   * @param hour epoch ms, never earlier than one that was added before
   */
  add(scopes: readonly string[], periods: Periods, hour: number, usage: Readonly<Totals>): void {
    for (const scope of scopes)
      for (const period of QUOTA_PERIODS) this.#add(scope, period, periods.of(period, hour).start, usage);
  }

  /** What was used before everything that is added: only totals have it. */
  addBefore(scopes: readonly string[], usage: Readonly<Totals>): void {
    for (const scope of scopes) this.#add(scope, 'total', EVER.start, usage);
  }

  /** Null where nothing was used in the period that the hour lies in. */
  of(scope: string, period: QuotaPeriod, periods: Periods, hour: number): Readonly<Totals> | null {
    const running = this.#byScope.get(scope)?.get(period);
    return running?.start === periods.of(period, hour).start ? running.totals : null;
  }

  #add(scope: string, period: QuotaPeriod, start: number, usage: Readonly<Totals>): void {
    let running = this.#byScope.get(scope);
    if (running === undefined) {
      running = new Map();
      this.#byScope.set(scope, running);
    }
    const known = running.get(period);
    if (known?.start === start) mergeTotals(known.totals, usage);
    else running.set(period, { start, totals: totalsOf(usage) });
  }
}

function totalsOf({ sum, count, min, max, latest, latestTs, latestId }: Readonly<Totals>): Totals {
  return { sum, count, min, max, latest, latestTs, latestId };
}
