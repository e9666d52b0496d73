import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { has } from '../../../tests/support/native.ts';
import { type LinuxMachine, Machine } from '../src/index.ts';

let machine: LinuxMachine | undefined;
afterEach(() => machine?.close());

interface Speedscope {
  readonly shared: { readonly frames: readonly { readonly name: string }[] };
  readonly profiles: readonly { readonly samples: readonly number[][]; readonly weights: readonly number[]; readonly endValue: number }[]; // prettier-ignore
}

async function profiled(argv: string[], program?: Uint8Array): Promise<LinuxMachine> {
  machine = await Machine.boot({ clock: 'virtual', profile: { interval: 10_000 } });
  if (program) await machine.fs.writeFile('/bin/program', program, { mode: 0o755 });
  const process = await machine.spawn(argv);
  await Promise.all([process.stdout.text(), process.wait()]);
  return machine;
}

describe('profile', () => {
  it('accounts for every instruction and call', async () => {
    const m = await profiled(['sh', '-c', 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); done; ls /bin | wc -l']); // prettier-ignore
    const recording = m.profile();
    const { shared, profiles } = recording.toSpeedscope('loop') as Speedscope;
    const [time, instructions] = profiles;
    expect(instructions!.endValue).toBe(m.kernel.cpu.retired);
    expect(time!.samples.length).toBe(time!.weights.length);
    const names = shared.frames.map(({ name }) => name);
    expect(names.some((name) => /^sh\[\d+\]$/.test(name))).toBe(true);
    expect(names.some((name) => name.startsWith('busybox'))).toBe(true);
    expect(names).toContain('[translation]');
    const summary = recording.summary();
    expect(summary).toMatch(/ +\d+ {2}execve$/m);
    expect(summary).toMatch(/%  kernel$/m);
  });

  it('samples the same places in every run', async () => {
    const run = async (): Promise<unknown> => {
      const m = await profiled(['sh', '-c', 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); done']);
      const { shared, profiles } = m.profile().toSpeedscope('') as Speedscope;
      const stacks = profiles[1]!.samples.map((stack) => stack.map((frame) => shared.frames[frame]!.name)); // prettier-ignore
      return [stacks, profiles[1]!.weights];
    };
    expect(await run()).toEqual(await run());
  });

  it.skipIf(!has('gcc'))('names functions and their callers', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'profile-'));
    writeFileSync(join(dir, 'p.c'), 'volatile int n; __attribute__((noinline)) void leaf(void) { for (int i = 0; i < 200000; i++) n += i; }\n__attribute__((noinline)) void middle(void) { leaf(); n++; }\nint main(void) { middle(); return 0; }'); // prettier-ignore
    execFileSync('gcc', ['-O1', '-static', '-fno-omit-frame-pointer', '-o', join(dir, 'p'), join(dir, 'p.c')]); // prettier-ignore
    const m = await profiled(['/bin/program'], readFileSync(join(dir, 'p')));
    const { shared, profiles } = m.profile().toSpeedscope('') as Speedscope;
    const stacks = profiles[1]!.samples.map((stack) => stack.map((frame) => shared.frames[frame]!.name).join(' ')); // prettier-ignore
    expect(stacks.some((stack) => / main middle leaf$/.test(stack))).toBe(true);
  });
});
