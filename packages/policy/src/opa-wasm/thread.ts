/** The thread that a policy runs in, one evaluation at a time: it can be ended in the middle of one. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadPolicy, type LoadedPolicy } from '@open-policy-agent/opa-wasm';
import type { FromThread, ThreadData } from './messages.ts';

const { module, entrypoint, data, initialMemoryPages, maxMemoryPages } = workerData as ThreadData;

async function load(): Promise<LoadedPolicy> {
  const policy = await loadPolicy(module, { initial: initialMemoryPages, maximum: maxMemoryPages });
  if (data !== undefined) policy.setData(data);
  return policy;
}

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}

async function loadFirst(): Promise<LoadedPolicy | null> {
  try {
    const policy = await load();
    const entrypoints = policy.entrypoints as object;
    if (Object.hasOwn(entrypoints, entrypoint)) return policy;
    const known = Object.keys(entrypoints).join(', ');
    tell({ kind: 'unusable', problem: `it has no entrypoint ${entrypoint}, only ${known}` });
  } catch (error) {
    // The library throws texts and plain objects too.
    tell({ kind: 'unusable', problem: error instanceof Error ? error.message : JSON.stringify(error) });
  }
  return null;
}

let policy = await loadFirst();

async function answer(input: object): Promise<void> {
  try {
    policy ??= await load();
    tell({ kind: 'result', results: policy.evaluate(input, entrypoint) });
  } catch {
    // Whatever it stopped in the middle of is not built upon.
    policy = null;
    tell({ kind: 'failed' });
  }
}

if (policy !== null) {
  parentPort?.on('message', (input: object) => void answer(input));
  tell({ kind: 'ready' });
}
