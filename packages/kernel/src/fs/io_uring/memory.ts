import { EFAULT, EINVAL, ENOMEM } from '@vitrine/uapi/errno.ts';
import { Errno, errno } from '../../include/errno.ts';
import type { Kernel } from '../../include/kernel.ts';
import { PAGE_SIZE } from '../../include/ram.ts';
import { serializable } from '../../include/serial.ts';
import type { Task } from '../../kernel/task.ts';
import type { Mm } from '../../mm/mm.ts';

/**
 * Memory that a ring and a program share (analogous to `io_pages_map` and `io_uaddr_map`): page frames of the ring's own, which
 * the program maps, or a range of the program's. What is gone from there reads as zeros.
 */
export class SharedMemory {
  readonly kernel: Kernel;
  readonly pages: readonly number[];
  /** Where in the program's memory it lies. */
  private readonly mm: Mm | null;
  private readonly address: number;

  static {
    serializable('SharedMemory', this);
  }

  constructor(kernel: Kernel, pages: readonly number[], mm: Mm | null, address: number) {
    this.kernel = kernel;
    this.pages = pages;
    this.mm = mm;
    this.address = address;
  }

  /** Page frames full of zeros. Throws ENOMEM. */
  static alloc(kernel: Kernel, bytes: number): SharedMemory {
    const pages: number[] = [];
    for (let i = 0; i * PAGE_SIZE < bytes; i++) {
      const pfn = kernel.frames.alloc(true);
      if (pfn === 0) {
        for (const page of pages) kernel.frames.put(page);
        throw errno(ENOMEM, 'no page frames for {} bytes of an io_uring', bytes);
      }
      pages.push(pfn);
    }
    return new SharedMemory(kernel, pages, null, 0);
  }

  /** Memory of the program, which must be writable. Throws EINVAL, EFAULT. */
  static of(task: Task, address: number, bytes: number): SharedMemory {
    if (address % PAGE_SIZE !== 0)
      throw errno(EINVAL, 'io_uring: 0x{} is not the beginning of a page', address.toString(16));
    if (address < 0) throw errno(EFAULT, 'io_uring: there is no memory at {}', address);
    for (let at = 0; at < bytes; at += PAGE_SIZE) task.mem.translate(address + at, true);
    return new SharedMemory(task.kernel, [], task.mm, address);
  }

  /** Where in RAM an offset is; -1 when the program has nothing there any more. */
  private at(offset: number, write: boolean): number {
    const { mm } = this;
    if (mm === null) return this.pages[Math.floor(offset / PAGE_SIZE)]! * PAGE_SIZE + (offset % PAGE_SIZE); // prettier-ignore
    if (mm.users === 0) return -1;
    try {
      return mm.mem.translate(this.address + offset, write);
    } catch (error) {
      if (error instanceof Errno) return -1;
      throw error;
    }
  }

  get16(offset: number): number {
    const at = this.at(offset, false);
    const { u8 } = this.kernel.ram;
    return at === -1 ? 0 : u8[at]! | (u8[at + 1]! << 8);
  }
  get32(offset: number): number {
    const at = this.at(offset, false);
    return at === -1 ? 0 : this.kernel.ram.u32[at >>> 2]!;
  }
  get64(offset: number): number {
    return this.get32(offset) + this.get32(offset + 4) * 2 ** 32;
  }
  put32(offset: number, value: number): void {
    const at = this.at(offset, true);
    if (at !== -1) this.kernel.ram.u32[at >>> 2] = value;
  }
  put64(offset: number, value: number): void {
    this.put32(offset, value % 2 ** 32);
    this.put32(offset + 4, Math.floor(value / 2 ** 32));
  }
  /** Bytes that do not cross a page. */
  slice(offset: number, length: number): Uint8Array {
    const at = this.at(offset, false);
    return at === -1 ? new Uint8Array(length) : this.kernel.ram.u8.slice(at, at + length);
  }

  release(): void {
    for (const pfn of this.pages) this.kernel.frames.put(pfn);
  }
}
