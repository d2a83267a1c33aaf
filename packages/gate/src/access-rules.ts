/** The registry's access rules as a policy engine: compiled once for each change of the registry. */
import { compileAccessRules, type AccessRulesEngine } from '@meterhouse/policy';
import type { PolicyEngine, PolicyQuestion, PolicyVerdict, PolicyView } from '@meterhouse/quota';

export class AccessRulesOfRegistry implements PolicyEngine {
  readonly name = 'built_in';
  readonly #view: PolicyView;
  #compiled: { readonly generation: number; readonly engine: AccessRulesEngine } | null = null;

  constructor(view: PolicyView) {
    this.#view = view;
  }

  evaluate(question: PolicyQuestion): PolicyVerdict {
    const { generation, version } = this.#view;
    if (this.#compiled?.generation !== generation)
      this.#compiled = {
        generation,
        engine: compileAccessRules(this.#view.accessRules(), version.toString()),
      };
    return this.#compiled.engine.evaluate(question);
  }
}
