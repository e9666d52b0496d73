// Programs of Debian, natively and in Vitrine: npx vitest run --project long tests/programs
import { beforeAll, describe, expect, it } from 'vitest';
import type { Image } from '@vitrine/image';
import { canRunNatively } from '../support/native.ts';
import { normalised, programs } from './cases.ts';
import { imageOf, runInVitrine } from './guest.ts';
import { runNatively } from './native.ts';
import { debianRoot, missingPackages } from './root.ts';

const root = canRunNatively ? debianRoot() : null;
if (!canRunNatively) console.warn('programs of Debian need x86-64 Linux and root: skipped');

describe.skipIf(root === null)('programs of Debian', () => {
  let image: Image;
  beforeAll(async () => {
    image = await imageOf(root!);
  });
  for (const program of programs)
    // A script with pauses may go another way once on a busy host.
    it(program.name, { retry: 1 }, async () => {
      expect(missingPackages(root!, program), 'packages that the root has not').toEqual([]);
      const native = await runNatively(root!, program);
      const guest = await runInVitrine(image, program);
      expect(normalised(program, guest)).toEqual(normalised(program, native));
    });
});
