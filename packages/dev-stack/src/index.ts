export {
  DataDirInUseError,
  PartFailedError,
  type Endpoints,
  type Part,
  type PartName,
  type Stack,
  type StackOptions,
} from './stack.ts';
export { readEndpoints } from './data-dir/endpoints-file.ts';
export { bareEnvironment } from './process/bare-environment.ts';
export { startStack } from './start-stack.ts';
export { HEAP_BOUND } from './start/supervision/service-process.ts';
