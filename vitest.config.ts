import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/**/src/**/*.test.ts', 'services/**/src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: 'packages/dev-stack/src/vitest-global-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A test that passes the second time has told us something the first time.
    retry: 0,
    // The stack takes its share of the machine too.
    maxWorkers: 2,
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.cache/vitest/report.json' },
  },
});
