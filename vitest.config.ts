import { defineConfig } from 'vitest/config';

const LONG = ['packages/*/test/**/*.long.test.ts', 'tests/**/*.long.test.ts'];

/** What earlier runs of tests have compiled is no part of this one. */
const ENV = { VITRINE_JIT_CACHE: '0' };

/** `quick` is what `npm test` runs, a few minutes at most; `long` has the fuzzers and exhaustive runs. */
export default defineConfig({
  test: {
    // .ci/run reads the counts from a JSON report beside the ordinary one.
    reporters: process.env['CI_RESULTS'] ? ['default', 'json'] : ['default'],
    ...(process.env['CI_RESULTS'] ? { outputFile: { json: process.env['CI_RESULTS'] } } : {}),
    projects: [
      {
        test: {
          name: 'quick',
          env: ENV,
          include: ['packages/*/test/**/*.test.ts', 'tests/**/*.test.ts'],
          exclude: [...LONG, '**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'long',
          env: ENV,
          include: LONG,
          testTimeout: 3_600_000,
          hookTimeout: 600_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
