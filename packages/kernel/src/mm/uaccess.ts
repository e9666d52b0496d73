import { UFFD_USER_MODE_ONLY } from '@vitrine/uapi/userfaultfd.ts';
import { EFAULT } from '@vitrine/uapi/errno.ts';
import { charString } from '../fs/bytes.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { serializable } from '../include/serial.ts';
import type { UserMemory } from '../include/uaccess.ts';
import { VM_FAULT_OOM, VM_FAULT_RETRY, faultReason, faultin_page } from './fault.ts';
import { UserfaultWait } from './userfaultfd.ts';
import type { Mm } from './mm.ts';
import { TASK_SIZE, _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_PRESENT, _PAGE_RW } from './pgtable.ts';

const PFN = 0xffff_f000;

/** User memory of one address space (analogous to arch/x86/lib/usercopy). */
export class MmMemory implements UserMemory {
  readonly mm: Mm;
  readonly ram: Uint8Array;

  static readonly transient: readonly string[] = ['ram'];
  static {
    serializable('MmMemory', this);
  }
  static revive(self: MmMemory, kernel: { ram: { u8: Uint8Array } }): void {
    Object.assign(self, { ram: kernel.ram.u8 });
  }

  constructor(mm: Mm) {
    this.mm = mm;
    this.ram = mm.kernel.ram.u8;
  }

  get served(): boolean {
    return this.mm.served;
  }

  translate(address: number, write: boolean): number {
    const tables = this.mm.tables;
    const want = write ? _PAGE_PRESENT | _PAGE_RW : _PAGE_PRESENT;
    for (;;) {
      const at = address < TASK_SIZE && address >= 0 ? tables.find(address) : -1;
      if (at !== -1) {
        const lo = tables.lo(at);
        if ((lo & want) === want) {
          const bits = write ? _PAGE_ACCESSED | _PAGE_DIRTY : _PAGE_ACCESSED;
          if ((lo & bits) !== bits) tables.set(at, (lo | bits) >>> 0, tables.hi(at));
          if (write) this.mm.kernel.frames.written(lo >>> 12);
          return ((lo & PFN) >>> 0) + (address & 0xfff);
        }
      }
      const fault = faultin_page(this.mm, address, write ? 'write' : 'read');
      if (fault === VM_FAULT_RETRY) {
        const { userfault } = this.mm;
        if (!(userfault!.ctx.flags & UFFD_USER_MODE_ONLY)) throw new UserfaultWait(userfault!);
      }
      if (fault !== 0) {
        throw errno(EFAULT, 'cannot {} user address 0x{}: {}', write ? 'write' : 'read',
          address.toString(16), fault === VM_FAULT_OOM ? 'out of memory' : faultReason(this.mm, address, fault)); // prettier-ignore
      }
    }
  }

  read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.readInto(address, bytes);
    return bytes;
  }

  readInto(address: number, to: Uint8Array): void {
    for (let done = 0; done < to.length;) {
      const at = this.translate(address + done, false);
      const n = Math.min(to.length - done, PAGE_SIZE - (at % PAGE_SIZE));
      to.set(this.ram.subarray(at, at + n), done);
      done += n;
    }
  }

  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = this.translate(address + done, true);
      const n = Math.min(bytes.length - done, PAGE_SIZE - (at % PAGE_SIZE));
      this.ram.set(n === bytes.length ? bytes : bytes.subarray(done, done + n), at);
      done += n;
    }
  }

  clear(address: number, length: number): void {
    for (let done = 0; done < length;) {
      const at = this.translate(address + done, true);
      const n = Math.min(length - done, PAGE_SIZE - (at % PAGE_SIZE));
      this.ram.fill(0, at, at + n);
      done += n;
    }
  }

  getU8(address: number): number {
    return this.ram[this.translate(address, false)]!;
  }

  getU16(address: number): number {
    return this.little(address, 2);
  }

  getU32(address: number): number {
    return this.little(address, 4);
  }

  getI32(address: number): number {
    return this.little(address, 4) | 0;
  }

  getU64(address: number): number {
    return this.little(address, 4) + this.little(address + 4, 4) * 2 ** 32;
  }

  getI64(address: number): number {
    return this.little(address, 4) + (this.little(address + 4, 4) | 0) * 2 ** 32;
  }

  getBig(address: number): bigint {
    return BigInt(this.little(address, 4)) | (BigInt(this.little(address + 4, 4)) << 32n);
  }

  putU8(address: number, value: number): void {
    this.ram[this.translate(address, true)] = value;
  }

  putU16(address: number, value: number): void {
    this.putLittle(address, value, 2);
  }

  putU32(address: number, value: number): void {
    this.putLittle(address, value, 4);
  }

  putU64(address: number, value: number): void {
    // Both pages are resolved before the first byte changes.
    if ((address & 0xfff) + 8 > PAGE_SIZE) this.translate(address + 7, true);
    this.putLittle(address, value % 2 ** 32, 4);
    this.putLittle(address + 4, Math.floor(value / 2 ** 32), 4);
  }

  putBig(address: number, value: bigint): void {
    if ((address & 0xfff) + 8 > PAGE_SIZE) this.translate(address + 7, true);
    this.putLittle(address, Number(value & 0xffff_ffffn), 4);
    this.putLittle(address + 4, Number((value >> 32n) & 0xffff_ffffn), 4);
  }

  readString(address: number, max: number): string | null {
    let text = '';
    for (let at = address; ;) {
      const pa = this.translate(at, false);
      const end = pa + PAGE_SIZE - (pa % PAGE_SIZE);
      let stop = pa;
      while (stop < end && this.ram[stop] !== 0) stop++;
      const take = Math.min(stop - pa, max + 1 - text.length);
      text += charString(this.ram, pa, pa + take);
      if (text.length > max) return null;
      if (stop < end) return text;
      at += end - pa;
    }
  }

  private little(address: number, size: 2 | 4): number {
    const ram = this.ram;
    if ((address & 0xfff) + size <= PAGE_SIZE) {
      const at = this.translate(address, false);
      const low = ram[at]! | (ram[at + 1]! << 8);
      return size === 2 ? low : (low | (ram[at + 2]! << 16) | (ram[at + 3]! << 24)) >>> 0;
    }
    const bytes = this.read(address, size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[i]!;
    return value;
  }

  private putLittle(address: number, value: number, size: 2 | 4): void {
    const ram = this.ram;
    if ((address & 0xfff) + size <= PAGE_SIZE) {
      const at = this.translate(address, true);
      ram[at] = value;
      ram[at + 1] = value >> 8;
      if (size === 4) {
        ram[at + 2] = value >> 16;
        ram[at + 3] = value >> 24;
      }
      return;
    }
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i++) bytes[i] = value >> (8 * i);
    this.write(address, bytes);
  }
}
