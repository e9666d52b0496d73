import type { Cpu } from '@vitrine/x86/cpu.ts';
import type { Kernel } from '../../../include/kernel.ts';
import { AddressSpace, type PageOwner } from '../../../include/pagecache.ts';
import { PAGE_SIZE } from '../../../include/ram.ts';
import { serializable } from '../../../include/serial.ts';
import type { Mm } from '../../../mm/mm.ts';
import { get_unmapped_area, insertVma } from '../../../mm/mmap.ts';
import {
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_EXEC,
  VM_IO,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_PFNMAP,
  VM_READ,
  Vma,
} from '../../../mm/vma.ts';
import { VVAR_ADJUSTED, VVAR_GENERATION, VVAR_MONOTONIC, VVAR_RAW, VVAR_REALTIME } from './code.ts';
import { vdso_image } from './image.ts';

/** One page of the kernel's that programs map: its frame stays in the cache for ever. */
class SpecialPage implements PageOwner {
  size = PAGE_SIZE;
  static {
    serializable('SpecialPage', this);
  }
  readPage(): void {}
}

function specialMapping(pfn: number): AddressSpace {
  const mapping = new AddressSpace(new SpecialPage(), true);
  mapping.pages.set(0, pfn);
  return mapping;
}

/**
 * The vDSO and the page of time data that its code reads (analogous to arch/x86/entry/vdso/vma.c). RDTSC counts the
 * host's nanoseconds, so the data are differences: they change when the clock is set, not when time passes. While adjtimex(2)
 * has the clock go faster or slower, the code makes the system call.
 */
export class Vdso {
  readonly kernel: Kernel;
  private readonly vvar: number;
  private generation = 0;
  private readonly data: AddressSpace;
  private readonly code: AddressSpace;

  static {
    serializable('Vdso', this);
  }

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.vvar = kernel.frames.alloc(true);
    const image = kernel.frames.alloc(true);
    kernel.ram.u8.set(vdso_image(), image * PAGE_SIZE);
    this.data = specialMapping(this.vvar);
    this.code = specialMapping(image);
    this.update();
  }

  /** The clock was set, or the machine runs on another host (update_vsyscall). */
  update(): void {
    const { cpu, host, ram, time } = this.kernel as Kernel & { cpu: Cpu };
    cpu.tsc = () => host.monotonic();
    const page = new DataView(ram.u8.buffer, this.vvar * PAGE_SIZE, PAGE_SIZE);
    const monotonic = BigInt(-time.hostTime(0));
    page.setBigInt64(VVAR_MONOTONIC, monotonic, true);
    page.setBigInt64(VVAR_REALTIME, monotonic + time.offset_real, true);
    page.setBigInt64(VVAR_RAW, BigInt(-time.raw_zero), true);
    // The machine may be a copy of another, whose programs have the same bytes.
    page.setUint32(VVAR_GENERATION, ++this.generation, true);
    page.setUint32(VVAR_ADJUSTED, time.steady ? 0 : 1, true);
  }

  /** Maps both pages into a new address space (map_vdso). @returns AT_SYSINFO_EHDR */
  map(mm: Mm): number {
    const at = get_unmapped_area(mm, 2 * PAGE_SIZE, 0);
    const text = at + PAGE_SIZE;
    const dataFlags = VM_READ | VM_MAYREAD | VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
    const codeFlags = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND;
    special(mm, at, dataFlags, this.data, '[vvar]');
    special(mm, text, codeFlags, this.code, '[vdso]');
    return text;
  }
}

function special(mm: Mm, at: number, flags: number, mapping: AddressSpace, name: string): void {
  const vma = new Vma(mm, at, at + PAGE_SIZE, flags, null, mapping, 0);
  vma.name = name;
  mapping.mappings.add(vma);
  insertVma(mm, vma);
}
