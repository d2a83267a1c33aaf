import process from 'node:process';

/** For a process that gets settings of its own and none of ours: where programs are, and what Node has compiled before. */
export function bareEnvironment(): Readonly<Record<string, string>> {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH: PATH ?? '', ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }) };
}
