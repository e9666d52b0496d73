import { EFAULT } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import { PAGE_SIZE } from '../include/ram.ts';
import { fault_page, faultReason } from './fault.ts';
import type { Mm } from './mm.ts';
import { pte_pfn } from './pgtable.ts';
import { VM_IO, VM_MAYREAD, VM_MAYWRITE, VM_PFNMAP, VM_READ, VM_SHARED, VM_WRITE } from './vma.ts';

/**
 * Where the byte of an address lies, for a debugger: it reads what the program itself may not, and writes where the program may
 * not, into a copy that is the program's own (get_user_pages with FOLL_FORCE). Throws EFAULT.
 */
export function forced_page(mm: Mm, address: number, write: boolean): number {
  const vma = mm.vmas.at(address);
  if (vma === null) return mm.mem.translate(address, write);
  const io = (vma.flags & (VM_IO | VM_PFNMAP)) !== 0;
  if (!io && (vma.flags & (write ? VM_WRITE : VM_READ)) !== 0)
    return mm.mem.translate(address, write);
  const may = write
    ? (vma.flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE
    : (vma.flags & VM_MAYREAD) !== 0;
  if (!may || io)
    throw errno(EFAULT, 'the mapping at 0x{} can never be {}', vma.start.toString(16), write ? 'written' : 'read'); // prettier-ignore
  const fault = fault_page(mm, vma, address, write ? 'write' : 'read');
  if (fault !== 0)
    throw errno(EFAULT, 'no page at 0x{}: {}', address.toString(16), faultReason(mm, address, fault)); // prettier-ignore
  const pfn = pte_pfn(mm.tables.lo(mm.tables.find(address)));
  if (write) mm.kernel.frames.written(pfn);
  return pfn * PAGE_SIZE + (address % PAGE_SIZE);
}
