/** The built-in engine. The others are under `./cedar`, `./opa-rest`, `./opa-wasm` and `./spicedb`. */
export { AccessRulesError, compileAccessRules, type AccessRulesEngine } from './built-in/compile.ts';
