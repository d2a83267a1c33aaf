/** The built-in engine. The others are under `./cedar`, `./opa-rest`, `./opa-wasm` and `./spicedb`. */
export { accessRule, ACCESS_RULE_BOUNDS, type AccessRule } from './built-in/access-rule.ts';
export { AccessRulesError, compileAccessRules, type AccessRulesEngine } from './built-in/compile.ts';
