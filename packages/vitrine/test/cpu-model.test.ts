import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { has } from '../../../tests/support/native.ts';
import { type LinuxMachine, Machine } from '../src/index.ts';

let machine: LinuxMachine | undefined;
afterEach(() => machine?.close());

async function output(argv: string[]): Promise<string> {
  const process = await machine!.spawn(argv);
  const [text] = await Promise.all([process.stdout.text(), process.wait()]);
  return text;
}

/** A vector register lives on through a signal whose handler clears it, and through another process's turns. */
const PROGRAM = `
#include <immintrin.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static int got, area;
static void handler(int sig, siginfo_t *info, void *context) {
  unsigned *sw = (unsigned *)((char *)((void **)context)[28] + 464);
  _mm256_zeroall();
  area = sw[0] == 0x46505853 && *(unsigned *)((char *)sw - 464 + sw[4]) == 0x46505845;
  got++;
}
int main(void) {
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  char in[32], out[32];
  for (int i = 0; i < 32; i++) in[i] = i + 1;
  sigaction(SIGUSR1, &sa, 0);
  long pid = getpid();
  if (fork() == 0) { for (int i = 0; i < 100; i++) _mm256_zeroall(), usleep(10); _exit(0); }
  __asm__ volatile("vmovdqu %1, %%ymm7\\n mov $62, %%eax\\n mov %2, %%rdi\\n mov $10, %%esi\\n syscall\\n"
                   "mov $24, %%eax\\n syscall\\n vmovdqu %%ymm7, %0"
                   : "=m"(out) : "m"(in), "r"(pid) : "rax", "rdi", "rsi", "rcx", "r11", "xmm7", "memory");
  printf("v3 %d got %d area %d same %d\\n", __builtin_cpu_supports("x86-64-v3") != 0, got, area, !memcmp(in, out, 32));
}`;

describe('cpu', () => {
  it('is x86-64-v2 unless asked otherwise', async () => {
    machine = await Machine.boot({ memory: '64m' });
    expect(await output(['grep', 'flags', '/proc/cpuinfo'])).not.toMatch(/avx/);
    await expect(Machine.boot({ cpu: 'i486' as never })).rejects.toThrow('no processor i486');
  });

  it.skipIf(!has('gcc'))('may be x86-64-v3, with XSAVE in signal frames', async () => {
    machine = await Machine.boot({ memory: '64m', cpu: 'x86-64-v3' });
    expect(await output(['grep', 'flags', '/proc/cpuinfo'])).toMatch(/ fma .* movbe .* xsave avx f16c .* bmi1 avx2 bmi2/); // prettier-ignore
    const dir = mkdtempSync(join(tmpdir(), 'v3-'));
    writeFileSync(join(dir, 'p.c'), PROGRAM);
    execFileSync('gcc', ['-O1', '-mavx2', '-static', '-w', '-o', join(dir, 'p'), join(dir, 'p.c')]);
    await machine.fs.writeFile('/bin/p', readFileSync(join(dir, 'p')), { mode: 0o755 });
    expect(await output(['/bin/p'])).toBe('v3 1 got 1 area 1 same 1\n');
    const snapshot = machine.snapshot();
    await expect(Machine.restore(snapshot)).rejects.toThrow('another model');
    await (await Machine.restore(snapshot, { cpu: 'x86-64-v3' })).close();
  });

  it.skipIf(!has('gcc'))('takes from signal frames what XRSTOR takes', async () => {
    machine = await Machine.boot({ memory: '64m', cpu: 'x86-64-v3' });
    const dir = mkdtempSync(join(tmpdir(), 'v3-'));
    const source = join(import.meta.dirname, '../../../tests/guest/sigfpstate.c');
    execFileSync('gcc', ['-O1', '-static', '-w', '-o', join(dir, 'p'), source]);
    await machine.fs.writeFile('/bin/p', readFileSync(join(dir, 'p')), { mode: 0o755 });
    const lines = (await output(['env', 'XSAVE=1', '/bin/p'])).matchAll(/xsave: (.*), mxcsr (.*), xmm9 (.*)/g); // prettier-ignore
    expect([...lines].map(([, how, mxcsr, xmm9]) => `${how}, ${mxcsr} ${xmm9}`)).toEqual([
      'taken, 9fc0 1',
      'SIGSEGV, 1f80 0',
      'SIGSEGV, 1f80 0',
      'SIGSEGV, 1f80 0',
      'taken, 9fc0 1',
      'taken, 1f80 0',
      'taken, 1f80 0',
      'taken, 9fc0 1',
      'taken, 9fc0 1',
      'taken, 9fc0 0',
      'taken, 9fc0 0',
      'SIGSEGV, 1f80 0',
      'taken, 9fc0 1',
      'SIGSEGV, 1f80 0',
      'taken, 9fc0 1',
      'taken, 9fc0 1',
      'taken, 9fc0 1',
      'taken, 1f80 0',
    ]);
  });
});
