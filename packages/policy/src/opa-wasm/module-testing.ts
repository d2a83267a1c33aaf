/**
 * A WebAssembly module that speaks OPA's ABI 1.2 and follows the rules of the contract, assembled by hand:
 * imports `env.memory` and `env.opa_abort`, takes the input as the JSON text that the library writes into
 * its memory, and leaves its result set there as JSON. It stands in for what `opa build -t wasm` makes.
 *
 * Its values are addresses of NUL-terminated JSON texts, so that parsing and dumping them is nothing.
 * Names are found with the punctuation around them: within a JSON string the quotes would be escaped, so
 * no name can pass for a member, and no attribute for another part of the question.
 */
import wabt from 'wabt';

interface Where {
  readonly after: string;
  readonly before: string;
}

const ROLES: Where = { after: '"roles":[', before: '],"scopes":[' };
const SCOPES: Where = { after: '"scopes":[', before: ']},"lineage":[' };
const LINEAGE: Where = { after: ']},"lineage":[', before: '],"product":"' };
const ACTOR: Where = { after: '{"actor":{', before: '"roles":[' };
const WORK: Where = { after: '],"product":', before: '"attributes":{' };
const ATTRIBUTES: Where = { after: '"attributes":{', before: '' };

type Test = readonly [Where, string];

/** A rule applies when all tests of one of its cases hold. */
interface ModuleRule {
  readonly id: string;
  readonly cases: readonly (readonly Test[])[];
}

const inEndpoints = (action: string): Test => [
  WORK,
  `"inference","resourceType":"endpoint","action":"${action}",`,
];
const editor: readonly Test[] = [
  [ROLES, '"editor"'],
  [LINEAGE, '"acme"'],
];

const ALLOWING: readonly ModuleRule[] = [
  {
    id: 'editors',
    cases: [
      [...editor, inEndpoints('invoke')],
      [...editor, inEndpoints('read')],
    ],
  },
  {
    id: 'nightly',
    cases: [[[ACTOR, '"type":"service","id":"batch-7",'], [LINEAGE, '"acme-search"'], inEndpoints('invoke')]],
  },
  {
    id: 'readers',
    cases: [
      [
        [ACTOR, '"type":"api_key",'],
        [SCOPES, '"inference:read"'],
        [LINEAGE, '"acme"'],
        [WORK, '"inference",'],
        [WORK, '"action":"read",'],
      ],
    ],
  },
];

const DENYING: readonly ModuleRule[] = [
  { id: 'legal-hold', cases: [[[LINEAGE, '"acme-held"']]] },
  { id: 'suspended', cases: [[[ATTRIBUTES, '"suspended":"yes"']]] },
];

/** What else a policy may do, by entrypoint; `decision` is the contract's policy. */
const ENTRYPOINTS = {
  decision: '(call $decide (local.get $input) (local.get $end) (local.get $heap))',
  plain: `(call $constant (i32.const TEXT([{"result":true}])))`,
  undefined: `(call $constant (i32.const TEXT([])))`,
  text: `(call $constant (i32.const TEXT([{"result":"yes"}])))`,
  nonsense: `(call $constant (i32.const TEXT([{"result":tr)))`,
  several: `(call $constant (i32.const TEXT([{"result":true},{"result":true}])))`,
  endless: '(loop $again (br $again)) (unreachable)',
  abort: '(call $opa_abort (i32.const TEXT(conflict))) (unreachable)',
  trap: '(unreachable)',
  /** Takes memory until it gets no more; allows when that is exactly 64 pages. */
  hungry: `(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (select (i32.const TEXT([{"result":true}])) (i32.const TEXT([{"result":false}]))
      (i32.eq (memory.size) (i32.const 64)))`,
  /** A built-in function that neither OPA's library nor we implement. */
  builtin: '(call $opa_builtin0 (i32.const 7) (i32.const 0))',
  /** Answers, or not, by what it is asked: is there `"slow"` in the input? */
  moody: `(if (call $holds (local.get $input) (local.get $end) NEEDLE("attributes":{) NEEDLE() NEEDLE("slow"))
      (then (loop $again (br $again))))
    (call $constant (i32.const TEXT([{"result":{"allow":true}}])))`,
  /** Takes its time when the input has `"slow"`; allows once that has happened on this instance. */
  patient: `(if (call $holds (local.get $input) (local.get $end) NEEDLE("attributes":{) NEEDLE() NEEDLE("slow"))
      (then (loop $again
        (global.set $turns (i64.add (global.get $turns) (i64.const 1)))
        (br_if $again (i64.lt_u (global.get $turns) (i64.const 300000000))))))
    (select (i32.const TEXT([{"result":true}])) (i32.const TEXT([{"result":false}]))
      (i64.ne (global.get $turns) (i64.const 0)))`,
  /** Traps when the input has `"slow"`; otherwise allows unless that has happened on this instance. */
  tainted: `(if (call $holds (local.get $input) (local.get $end) NEEDLE("attributes":{) NEEDLE() NEEDLE("slow"))
      (then (global.set $turns (i64.const 1)) (unreachable)))
    (select (i32.const TEXT([{"result":true}])) (i32.const TEXT([{"result":false}]))
      (i64.eqz (global.get $turns)))`,
} as const;

export type Entrypoint = keyof typeof ENTRYPOINTS;

/** Texts in the module's memory, each once. */
class Texts {
  readonly #places = new Map<string, number>();
  #end = 1024;

  place(text: string): number {
    const known = this.#places.get(text);
    if (known !== undefined) return known;
    const at = this.#end;
    this.#places.set(text, at);
    this.#end += Buffer.byteLength(text) + 1;
    return at;
  }

  /** Address and length. */
  needle(text: string): string {
    return `(i32.const ${this.place(text)}) (i32.const ${Buffer.byteLength(text)})`;
  }

  data(): string {
    const segment = ([text, at]: readonly [string, number]) =>
      `(data (i32.const ${at}) "${Buffer.from(`${text}\0`).toString('hex').replaceAll(/../g, '\\$&')}")`;
    return [...this.#places].map(segment).join('\n');
  }

  get end(): number {
    return Math.ceil(this.#end / 8) * 8;
  }
}

export async function opaModule(): Promise<Uint8Array> {
  const texts = new Texts();
  const code = moduleCode(texts);
  const tools = await wabt();
  const module = tools.parseWat('policy.wat', code(texts));
  return module.toBinary({}).buffer;
}

function moduleCode(texts: Texts): (texts: Texts) => string {
  const names = Object.keys(ENTRYPOINTS) as Entrypoint[];
  const entrypoints = JSON.stringify(Object.fromEntries(names.map((name, i) => [`meterhouse/${name}`, i])));
  const body = `
    ${SEARCHING}
    ${decide(texts)}
    (func $constant (param $text i32) (result i32) (local.get $text))
    (func (export "builtins") (result i32) (i32.const ${texts.place('{"meterhouse.unknown":7}')}))
    (func (export "entrypoints") (result i32) (i32.const ${texts.place(entrypoints)}))
    (func (export "opa_eval") (param $reserved i32) (param $entrypoint i32) (param $data i32)
      (param $input i32) (param $length i32) (param $heap i32) (param $format i32) (result i32)
      (local $end i32)
      (local.set $end (i32.add (local.get $input) (local.get $length)))
      ${names.map((name, i) => whenEntrypoint(i, withTexts(ENTRYPOINTS[name], texts))).join('\n')}
      (unreachable))`;
  return (all) => `(module
    (import "env" "memory" (memory 2))
    (import "env" "opa_abort" (func $opa_abort (param i32)))
    (import "env" "opa_builtin0" (func $opa_builtin0 (param i32 i32) (result i32)))
    (global (export "opa_wasm_abi_version") i32 (i32.const 1))
    (global (export "opa_wasm_abi_minor_version") i32 (i32.const 2))
    (global $heap (mut i32) (i32.const ${all.end}))
    (global $turns (mut i64) (i64.const 0))
    (func (export "opa_heap_ptr_get") (result i32) (global.get $heap))
    (func (export "opa_heap_ptr_set") (param $to i32) (global.set $heap (local.get $to)))
    (func (export "opa_malloc") (param $size i32) (result i32)
      (global.get $heap)
      (global.set $heap (i32.add (global.get $heap) (i32.add (local.get $size) (i32.const 1)))))
    (func (export "opa_json_parse") (param $text i32) (param $length i32) (result i32)
      (i32.store8 (i32.add (local.get $text) (local.get $length)) (i32.const 0))
      (local.get $text))
    (func (export "opa_json_dump") (param $value i32) (result i32) (local.get $value))
    ${body}
    ${all.data()})`;
}

function whenEntrypoint(id: number, code: string): string {
  return `(if (i32.eq (local.get $entrypoint) (i32.const ${id})) (then (return ${asBlock(code)})))`;
}

function asBlock(code: string): string {
  return `(block (result i32) ${code})`;
}

function withTexts(code: string, texts: Texts): string {
  return code
    .replaceAll(/TEXT\((.*?)\)(?=\))/g, (_all, text: string) => String(texts.place(text)))
    .replaceAll(/NEEDLE\((.*?)\)(?=[ )])/g, (_all, text: string) => texts.needle(text));
}

/** Names the rules that deny, else those that allow. */
function decide(texts: Texts): string {
  const apply = (rule: ModuleRule) => `
    (if ${rule.cases.map((tests) => all(tests, texts)).reduce((a, b) => `(i32.or ${a} ${b})`)} (then
      (if (local.get $count) (then (local.set $out (call $write (local.get $out) ${texts.needle(',')}))))
      (local.set $out (call $write (local.get $out) ${texts.needle(JSON.stringify(rule.id))}))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))))`;
  return `
    (func $decide (param $input i32) (param $end i32) (param $heap i32) (result i32)
      (local $out i32) (local $count i32) (local $allow i32)
      (if (i32.gt_u (i32.add (local.get $heap) (i32.const 4096)) (i32.shl (memory.size) (i32.const 16)))
        (then (drop (memory.grow (i32.const 1)))))
      (local.set $out (call $write (local.get $heap) ${texts.needle('[{"result":{"rules":[')}))
      ${DENYING.map(apply).join('')}
      (if (i32.eqz (local.get $count)) (then
        ${ALLOWING.map(apply).join('')}
        (local.set $allow (i32.ne (local.get $count) (i32.const 0)))))
      (if (local.get $allow)
        (then (local.set $out (call $write (local.get $out) ${texts.needle('],"allow":true}}]')})))
        (else (local.set $out (call $write (local.get $out) ${texts.needle('],"allow":false}}]')}))))
      (i32.store8 (local.get $out) (i32.const 0))
      (local.get $heap))`;
}

function all(tests: readonly Test[], texts: Texts): string {
  return tests
    .map(([{ after, before }, what]) => [after, before, what].map((text) => texts.needle(text)).join(' '))
    .map((needles) => `(call $holds (local.get $input) (local.get $end) ${needles})`)
    .reduce((a, b) => `(i32.and ${a} ${b})`);
}

const SEARCHING = `
  (func $isAt (param $at i32) (param $needle i32) (param $length i32) (result i32)
    (local $i i32)
    (loop $next
      (if (i32.eq (local.get $i) (local.get $length)) (then (return (i32.const 1))))
      (if (i32.ne
            (i32.load8_u (i32.add (local.get $at) (local.get $i)))
            (i32.load8_u (i32.add (local.get $needle) (local.get $i))))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Where the needle begins, or $to when it is nowhere.
  (func $find (param $from i32) (param $to i32) (param $needle i32) (param $length i32) (result i32)
    (loop $next
      (if (i32.gt_u (i32.add (local.get $from) (local.get $length)) (local.get $to))
        (then (return (local.get $to))))
      (if (call $isAt (local.get $from) (local.get $needle) (local.get $length))
        (then (return (local.get $from))))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; Whether the needle stands after the first text and before the second; no second means the end.
  (func $holds (param $from i32) (param $to i32)
    (param $after i32) (param $afterLength i32) (param $before i32) (param $beforeLength i32)
    (param $needle i32) (param $length i32) (result i32)
    (local.set $from (call $find (local.get $from) (local.get $to) (local.get $after) (local.get $afterLength)))
    (if (i32.eq (local.get $from) (local.get $to)) (then (return (i32.const 0))))
    (local.set $from (i32.add (local.get $from) (local.get $afterLength)))
    (if (local.get $beforeLength) (then
      (local.set $to
        (call $find (local.get $from) (local.get $to) (local.get $before) (local.get $beforeLength)))))
    (i32.ne
      (call $find (local.get $from) (local.get $to) (local.get $needle) (local.get $length))
      (local.get $to)))

  ;; Where to go on writing.
  (func $write (param $to i32) (param $text i32) (param $length i32) (result i32)
    (local $i i32)
    (loop $next
      (if (i32.lt_u (local.get $i) (local.get $length)) (then
        (i32.store8 (i32.add (local.get $to) (local.get $i))
          (i32.load8_u (i32.add (local.get $text) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))
    (i32.add (local.get $to) (local.get $length)))`;
