import type { Current } from './current.ts';
import type { Kernel } from './kernel.ts';
import type { AddressSpace } from './pagecache.ts';

/** An open file as memory mappings see it; fs/file.ts implements it. */
export interface MmapFile {
  readonly readable: boolean;
  readonly writable: boolean;
  /** Nothing of it may change, it may only grow (chattr +a). */
  readonly append_only: boolean;
  /** The mount forbids execution. */
  readonly noexec: boolean;
  /** The file is being executed: nobody may open it for writing until it is allowed again (deny_write_access). */
  deny_write_access(): void;
  allow_write_access(): void;
  /** One more reference. */
  get(): void;
  /** One reference less; the last closes the file. */
  put(kernel: Kernel): void;
  /** What the file makes of the new range's flags (VM_…): seals. Throws EPERM. */
  mmap_flags(vmFlags: number): number;
  /**
   * The pages to map; null when a mapping of the file is anonymous zeros (/dev/zero). Throws ENODEV when the file
   * cannot be mapped.
   * @param offset where in the file, in bytes
   * @param wish the address that the program asks for
   */
  mmap_mapping(current: Current, offset: number, wish: number): AddressSpace | null;
  /** A mapping of it was copied or cut in two; a mapping of it ended. */
  vm_open(kernel: Kernel): void;
  /** It counts its mappings, so none is joined to another (a vm_operations_struct with close). */
  readonly counts_mappings: boolean;
  vm_close(kernel: Kernel): void;
  /** Makes a hole in it (MADV_REMOVE). */
  punch(current: Current, offset: number, length: number): void;
  /** A page is written through a shared mapping: modification and change time. */
  update_time(): void;
  /** For /proc/PID/maps: device (makedev), inode number. */
  readonly devt: number;
  readonly ino: number;
}
