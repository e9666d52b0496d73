import type { Cpu } from '@vitrine/x86/cpu.ts';
import type { Host } from '../include/host.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { makeTrace } from '../include/trace.ts';
import { Vmlinux } from './main.ts';
import { deserialize, serialize } from './serializer.ts';

/**
 * A whole machine as bytes: a header, the used page frames, the object graph. Because every system call is atomic and
 * every waiting task's state is data, any moment between two turns is a good one.
 */

const MAGIC = 0x5652_544e; // "VRTN"
/** It is another one, too, when the processor keeps another part of RAM for itself. */
const VERSION = 3;
const HEADER = 40;

/** @returns the machine's state; the machine goes on undisturbed */
export function snapshot(kernel: Vmlinux): Uint8Array {
  kernel.arch.save();
  const frames = usedFrames(kernel);
  const graph = serialize(kernel);
  const bytes = new Uint8Array(HEADER + frames.length * (4 + PAGE_SIZE) + graph.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, VERSION, true);
  view.setFloat64(8, kernel.ram.size, true);
  view.setFloat64(16, kernel.clock.now(), true);
  view.setUint32(24, frames.length, true);
  view.setUint32(28, graph.length, true);
  view.setFloat64(32, kernel.cpu.retired, true);
  let at = HEADER;
  for (const pfn of frames) {
    view.setUint32(at, pfn, true);
    bytes.set(kernel.ram.u8.subarray(pfn * PAGE_SIZE, (pfn + 1) * PAGE_SIZE), at + 4);
    at += 4 + PAGE_SIZE;
  }
  bytes.set(graph, at);
  return bytes;
}

/** Frames in use that do not hold zeros alone. */
function usedFrames(kernel: Vmlinux): number[] {
  const { frames, ram } = kernel;
  const used: number[] = [];
  for (let pfn = frames.first; pfn < frames.end; pfn++) {
    if (frames.refcount[pfn]! <= 0) continue;
    const words = ram.u32.subarray((pfn * PAGE_SIZE) >>> 2, ((pfn + 1) * PAGE_SIZE) >>> 2);
    if (words.some((word) => word !== 0)) used.push(pfn);
  }
  return used;
}

/** Bytes of RAM that a processor needs to restore the snapshot. Throws RangeError when it is no snapshot. */
export function snapshotRamSize(bytes: Uint8Array): number {
  return readHeader(bytes).ramSize;
}

function readHeader(bytes: Uint8Array): {
  ramSize: number;
  now: number;
  frames: number;
  graph: number;
  view: DataView;
} {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER || view.getUint32(0, true) !== MAGIC)
    throw new RangeError('this is no Vitrine snapshot: the magic number is missing');
  const version = view.getUint32(4, true);
  if (version !== VERSION)
    throw new RangeError(
      `the snapshot has version ${version}; this Vitrine reads version ${VERSION}`,
    );
  const frames = view.getUint32(24, true);
  const graph = view.getUint32(28, true);
  if (bytes.length !== HEADER + frames * (4 + PAGE_SIZE) + graph) throw new RangeError(`the snapshot is truncated: it has ${bytes.length} bytes and announces ${HEADER + frames * (4 + PAGE_SIZE) + graph}`); // prettier-ignore
  return { ramSize: view.getFloat64(8, true), now: view.getFloat64(16, true), frames, graph, view };
}

/**
 * A machine that goes on where the snapshot was taken.
 * @param cpu a fresh processor whose RAM has the snapshot's size
 */
export function restore(bytes: Uint8Array, options: { host: Host; cpu: Cpu }): Vmlinux {
  const { ramSize, now, frames, view } = readHeader(bytes);
  const { cpu, host } = options;
  if (cpu.ram.size !== ramSize)
    throw new RangeError(
      `the snapshot needs ${ramSize} bytes of RAM, the processor has ${cpu.ram.size}`,
    );
  let at = HEADER;
  for (let i = 0; i < frames; i++) {
    const pfn = view.getUint32(at, true);
    if ((pfn + 1) * PAGE_SIZE > ramSize || pfn * PAGE_SIZE < cpu.ram.base)
      throw new RangeError(`the snapshot holds page frame ${pfn}, which is outside RAM`);
    cpu.ram.u8.set(bytes.subarray(at + 4, at + 4 + PAGE_SIZE), pfn * PAGE_SIZE);
    at += 4 + PAGE_SIZE;
  }
  const kernel = deserialize(bytes.subarray(at), (root) => {
    Object.assign(root, { host, cpu, ram: cpu.ram, trace: makeTrace() });
  }) as Vmlinux;
  if (kernel.arch.contextSize !== cpu.contextSize)
    throw new RangeError(
      'the snapshot was taken with another model of the processor: restore it with the same `cpu`',
    );
  kernel.clock.resume(now);
  kernel.arch.update_vsyscall();
  cpu.flushTlb();
  return kernel;
}
