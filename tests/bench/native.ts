/** Runs a program natively or under qemu-user, in the bench's root. */
import { spawnSync } from 'node:child_process';
import type { BenchRoot } from './setup.ts';
import { digest, type Run } from './vitrine.ts';

export function runNative({ root, launch }: BenchRoot, argv: readonly string[]): Run {
  const result = spawnSync(launch, [root, ...argv], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    maxBuffer: 2 ** 30,
    env: { PATH: '/usr/bin:/bin', HOME: '/' },
  });
  const report = result.output?.[3]?.toString() ?? '';
  if (result.status !== 0 || report === '') throw new Error(`${argv.join(' ')}: cannot be run in ${root}`); // prettier-ignore
  const [wall, cpu, status] = report.split(' ').map(Number);
  return { wall: wall! / 1e9, cpu: cpu! / 1e9, status: status!, output: digest(result.stdout) };
}
