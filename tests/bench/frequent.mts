/**
 * Counts which handlers of tier 0 programs execute, and prints those of the core as `packages/x86/src/tier0/frequent.ts`:
 *
 *     npx tsx tests/bench/frequent.mts [how many] > packages/x86/src/tier0/frequent.ts
 *
 * Pairs and micro-operations count as one record. Too many make V8 compile the core less carefully (Documentation/processor.md).
 */
import { nodePlatform } from '../../packages/vitrine/src/node/platform.ts';
import { LinuxMachine } from '../../packages/vitrine/src/machine.ts';
import { LINKS } from '../../packages/x86/src/layout.ts';
import { generateTier0, nameOf } from '../../packages/x86/src/tier0/generate.ts';
import { baseHandlers, RESERVED, shapeOf } from '../../packages/x86/src/tier0/handlers.ts';
import { selectRows } from './rows.ts';
import { setUp } from './setup.ts';

/** Programs, and how much each weighs: those count most that tier 0 executes most of. */
const PROGRAMS: Readonly<Record<string, number>> = { cc1: 2, python: 2, sh: 1, lua: 1, sqlite: 1, qsort: 1, gzip: 0.5, corelike: 0.5 }; // prettier-ignore

const MOST = Number(process.argv[2] ?? 380);
const { root } = setUp();
/** Of the words for handlers of tier 1 nobody uses those of tier 0. */
const place = (handler: number): number => LINKS + 4 * handler;
const counting = generateTier0(false, (b, handler) => {
  const times = b.load('i32.load', b.i32(0), place(handler));
  b.store('i32.store', b.i32(0), b.add(times, b.i32(1)), place(handler));
});
const processor = new WebAssembly.Module(counting as BufferSource);
const platform = { ...nodePlatform, processor: async () => processor };
const shares = new Float64Array(baseHandlers);
for (const [name, weight] of Object.entries(PROGRAMS)) {
  const [row] = selectRows(name);
  const machine = await LinuxMachine.boot(platform, { image: root, memory: '768m', jit: false });
  const guest = await machine.spawn(row!.argv);
  await Promise.all([guest.stdout.bytes(), guest.stderr.bytes(), guest.wait()]);
  const { buffer } = machine.kernel.ram.u8;
  const counts = [...new Uint32Array(buffer, place(0), baseHandlers)];
  const all = counts.reduce((sum, n) => sum + n, 0);
  process.stderr.write(`${name}: ${(all / 1e6).toFixed(0)} million records\n`);
  counts.forEach((n, handler) => (shares[handler]! += (weight * n) / all));
  await machine.close();
}

const names = [...shares.keys()]
  .filter((handler) => handler >= RESERVED && shapeOf(handler).rep === 0)
  .sort((a, b) => shares[b]! - shares[a]!)
  .slice(0, MOST)
  .map((handler) => nameOf(shapeOf(handler)));
console.log(`/**
 * What programs execute most, as profiles name it (generate.ts): what the core has handlers for. Counted by
 * \`tests/bench/frequent.mts\`; the most frequent come first.
 */
export const FREQUENT: readonly string[] = [
${names.map((name) => `  '${name}',`).join('\n')}
];`);
