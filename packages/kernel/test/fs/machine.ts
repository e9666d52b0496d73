import { readFileSync } from 'node:fs';
import type { Cpu } from '@vitrine/x86/cpu.ts';
import { createCpu } from '@vitrine/x86/machine.ts';
import { generateTier0 } from '@vitrine/x86/tier0/generate.ts';
import { join } from 'node:path';
import type { RootEntry } from '@vitrine/image/entry.ts';
import { busyboxImage } from '@vitrine/image/busybox.ts';
import type { Path } from '../../src/fs/dcache.ts';
import { path_lookupat } from '../../src/fs/namei.ts';
import { type Vmlinux, start_kernel } from '../../src/init/main.ts';
import { restore, snapshot } from '../../src/init/snapshot.ts';
import { spawn } from '../../src/init/spawn.ts';
import type { Tty } from '../../src/drivers/tty/tty.ts';
import { hvc_alloc } from '../../src/drivers/tty/tty_io.ts';
import { TtyFile } from '../../src/drivers/tty/tty_io.ts';

const BUSYBOX = join(import.meta.dirname, '../../../image/dist/busybox');

export interface Booted {
  readonly kernel: Vmlinux;
  readonly tty: Tty;
}

let module: WebAssembly.Module | undefined;

function newCpu(ramSize: number): Cpu {
  module ??= new WebAssembly.Module(generateTier0() as unknown as ArrayBuffer);
  return createCpu({ ramSize, module });
}

/** A machine with busybox, /dev, /proc when there is one, and a console that nobody reads. */
export function boot(options: { memory?: number; files?: RootEntry[] } = {}): Booted {
  const cpu = newCpu(options.memory ?? 256 << 20);
  let virtual = 0;
  const kernel = start_kernel({
    host: {
      monotonic: () => virtual + Math.round(performance.now() * 1e6),
      realtimeOffset: () =>
        BigInt(Date.now()) * 1_000_000n - BigInt(Math.round(performance.now() * 1e6)),
      entropy: (into) => void crypto.getRandomValues(into as Uint8Array<ArrayBuffer>),
      idleUntil: (ns) => {
        virtual += Math.max(0, ns - (virtual + Math.round(performance.now() * 1e6)));
        return true;
      },
    },
    cpu,
    initramfs: [...busyboxImage(readFileSync(BUSYBOX)).entries, ...(options.files ?? [])],
  });
  return { kernel, tty: hvc_alloc(kernel) };
}

export function at(kernel: Vmlinux, path: string): Path {
  return path_lookupat(kernel.swapper, -100, path, 1);
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Runs argv on the console to its end. With `moving`, each slice goes on in a new machine made from a snapshot. */
export function run(
  booted: Booted,
  argv: string[],
  options: { input?: string; moving?: boolean } = {},
): { status: number; output: string; snapshots: number } {
  let { kernel, tty } = booted;
  const path = at(kernel, '/dev/hvc0');
  const file = new TtyFile(kernel.swapper, path, 2, tty, false);
  spawn(kernel, {
    argv,
    env: ['PATH=/bin:/sbin:/usr/bin:/usr/sbin', 'HOME=/root', 'TERM=vt100'],
    files: [file, file.get(), file.get()],
    tty,
  });
  let output = '';
  let snapshots = 0;
  let left = Buffer.from(options.input ?? '', 'latin1');
  for (let i = 0; i < 3000; i++) {
    if (left.length > 0) left = left.subarray(tty.input(left));
    const state = kernel.run(options.moving ? 1e6 : 20e6);
    output += latin1(tty.takeOutput(1 << 20));
    if (state === 'halted') return { status: kernel.halted!.status, output, snapshots };
    if (state === 'idle' && left.length === 0) break;
    if (!options.moving) continue;
    kernel = restore(snapshot(kernel), { host: kernel.host, cpu: newCpu(kernel.ram.size) });
    tty = kernel.vfs.ttys.consoles[0]!;
    snapshots++;
  }
  return { status: -1, output, snapshots };
}
