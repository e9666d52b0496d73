import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { Machine } from '../src/index.ts';

const ROOT = join(import.meta.dirname, '../../..');
const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>; // prettier-ignore

/** The examples of the documentation do what it says. */
describe.each(['Documentation/sdk.md', 'README.md'])('%s', (file) => {
  const examples = [
    ...readFileSync(join(ROOT, file), 'utf8').matchAll(/^```js\n([\s\S]*?)^```$/gm),
  ];
  for (const [i, example] of examples.entries()) {
    const code = example[1]!.replace(/^import .* from 'vitrine';$/m, '');
    it(`example ${i + 1}`, async () => {
      const silent = { log() {} };
      await new AsyncFunction('Machine', 'assert', 'console', code)(Machine, assert, silent);
    });
  }
});
