/**
 * The memory management unit: 4-level page walk (SDM vol. 3, 4.5), TLB fill, and operands that straddle pages.
 * Written with the builder, so that a walk never leaves WebAssembly.
 */
import {
  PF_FETCH,
  PF_PRESENT,
  PF_RSVD,
  PF_USER,
  PF_WRITE,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_PS,
  PTE_U,
  PTE_W,
} from './cpu.ts';
import type { Builder } from './ir/builder.ts';
import type { Helper, Node, Var } from './ir/node.ts';
import {
  BOUNCE,
  BOUNCE_FIRST,
  BOUNCE_SECOND,
  BOUNCE_SIZE,
  BOUNCE_SPLIT,
  CR3_CELL,
  FAULT_ADDRESS,
  FAULT_CODE,
  FAULT_VECTOR,
  FRAME_CODE,
  FRAME_FLAGS,
  FRAME_WRITTEN,
  RAM_SIZE_CELL,
  WALKS_CELL,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_FILLED,
  TLB_GROUP,
  TLB_GROUPS,
  TLB_ENTRY_SHIFT,
  TLB_READ_ONLY,
  TLB_TAG,
} from './layout.ts';

export const READ = 0;
export const WRITE = 1;
export const FETCH = 2;
/** What translations give instead of a physical address after a fault. */
export const FAULT = -1;

/** Stands in FAULT_VECTOR for #GP or #SS, whichever the instruction's addressing asks for. */
export const NON_CANONICAL = 0x100;

const LEVELS = [39, 30, 21, 12] as const;
const PTE_NX = 1n << 63n;

/** Notes a fault in the context's cells and returns FAULT. */
function fail(b: Builder, vector: number, va: Node, code: Node): void {
  b.store('i64.store', b.i32(FAULT_ADDRESS), va);
  b.store('i32.store', b.i32(FAULT_CODE), code);
  b.store('i32.store', b.i32(FAULT_VECTOR), b.i32(vector));
  b.return(b.i32(FAULT));
}

/**
 * Translates an address for a user access: READ, WRITE or FETCH.
 * @returns the physical address, or FAULT with FAULT_ADDRESS, FAULT_CODE and FAULT_VECTOR set
 */
export const walk: Helper = {
  name: 'walk',
  params: ['i64', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, access) {
    const walks = b.load('i32.load', b.i32(WALKS_CELL));
    b.store('i32.store', b.i32(WALKS_CELL), b.add(walks, b.i32(1)));
    return walkWith(b, va, access, markAccessed);
  },
};

/** The same where the access leaves no trace: FAULT unless A, and D for a write, are set already. */
export const peek: Helper = {
  name: 'peek',
  params: ['i64', 'i32'],
  result: 'i32',
  pure: false,
  body: (b, va, access) =>
    walkWith(b, va, access, (_, places, write) => {
      const last = lastOf(b, places);
      const entry = b.load('i32.load', last);
      const bits = b.select(write, b.i32(PTE_A | PTE_D), b.i32(PTE_A));
      b.if(b.ne(b.and(entry, bits), bits), () => b.return(b.i32(FAULT)));
    }),
};

/** @param mark what becomes of the entries that were used */
function walkWith(
  b: Builder,
  va: Node,
  access: Node,
  mark: (b: Builder, places: readonly Var[], write: Node) => void,
): Node {
  const canonical = b.eq(b.shrS(b.shl(va, b.i64(16)), b.i64(16)), va);
  b.if(b.eqz(canonical), () => fail(b, NON_CANONICAL, va, b.i32(0)));
  const write = b.eq(access, b.i32(WRITE));
  const fetch = b.eq(access, b.i32(FETCH));
  const code = b.or(
    b.i32(PF_USER),
    b.or(b.mul(write, b.i32(PF_WRITE)), b.mul(fetch, b.i32(PF_FETCH))),
  );
  const table = b.var(b.and(b.load('i32.load', b.i32(CR3_CELL)), b.i32(-4096)));
  const allowed = b.var(b.i64(-1));
  const denied = b.var(b.i64(0));
  const offset = b.var(b.i32(0));
  const done = b.var(b.i32(0));
  const places: Var[] = [];
  for (const shift of LEVELS) {
    const place = b.var(b.i32(0));
    places.push(place);
    b.if(b.eqz(b.value(done)), () =>
      level(b, { shift, va, code, table, allowed, denied, offset, done, place }),
    );
  }
  const user = b.wrap(b.and(b.value(allowed), b.i64(PTE_U)));
  const writable = b.wrap(b.and(b.value(allowed), b.i64(PTE_W)));
  const noExecute = b.ne(b.and(b.value(denied), b.i64(PTE_NX)), b.i64(0));
  const refused = b.or(b.eqz(user), b.or(b.and(write, b.eqz(writable)), b.and(fetch, noExecute)));
  b.if(refused, () => fail(b, 14, va, b.or(code, b.i32(PF_PRESENT))));
  mark(b, places, write);
  return b.or(b.value(table), b.value(offset));
}

interface LevelState {
  readonly shift: number;
  readonly va: Node;
  readonly code: Node;
  readonly table: Var;
  readonly allowed: Var;
  readonly denied: Var;
  readonly offset: Var;
  readonly done: Var;
  readonly place: Var;
}

/** One level of the walk: reads the entry, checks that it is present and well-formed, and goes down. */
function level(b: Builder, s: LevelState): void {
  const index = b.wrap(b.and(b.shrU(s.va, b.i64(s.shift - 3)), b.i64(0xff8)));
  b.assign(s.place, b.add(b.value(s.table), index));
  const entry = b.load('i64.load', b.value(s.place));
  b.if(b.eqz(b.wrap(b.and(entry, b.i64(PTE_P)))), () => fail(b, 14, s.va, s.code));
  b.assign(s.allowed, b.and(b.value(s.allowed), entry));
  b.assign(s.denied, b.or(b.value(s.denied), entry));
  const physical = b.wrap(b.and(entry, b.i64(0xffff_f000)));
  const high = b.ne(b.and(entry, b.i64(0x000f_ffff_0000_0000n)), b.i64(0));
  const size = b.load('i32.load', b.i32(RAM_SIZE_CELL));
  const reserved = b.var(b.or(high, b.op('i32.ge_u', physical, size)));
  b.assign(s.table, physical);
  const isLarge = b.wrap(b.and(entry, b.i64(PTE_PS)));
  if (s.shift === 39) b.assign(reserved, b.or(b.value(reserved), isLarge));
  else if (s.shift !== 12)
    b.if(isLarge, () => {
      const mask = 2 ** s.shift - 1;
      // Bit 12 of a large leaf is PAT; the bits between it and the page size are reserved.
      const stray = b.and(physical, b.i32(mask & ~0x1fff));
      b.assign(reserved, b.or(b.value(reserved), b.ne(stray, b.i32(0))));
      b.assign(s.table, b.and(physical, b.i32(~mask)));
      b.assign(s.offset, b.and(b.wrap(s.va), b.i32(mask)));
      b.assign(s.done, b.i32(1));
    });
  else b.assign(s.offset, b.and(b.wrap(s.va), b.i32(0xfff)));
  b.if(b.value(reserved), () => fail(b, 14, s.va, b.or(s.code, b.i32(PF_PRESENT | PF_RSVD))));
}

/** The last entry that was used. */
function lastOf(b: Builder, places: readonly Var[]): Node {
  const last = b.var(b.i32(0));
  for (const place of places) b.if(b.value(place), () => b.assign(last, b.value(place)));
  return b.value(last);
}

/** Sets A in the entries used, and D in the last one on a write. */
function markAccessed(b: Builder, places: readonly Var[], write: Node): void {
  for (const place of places)
    b.if(b.value(place), () => {
      const entry = b.load('i32.load', b.value(place));
      b.if(b.eqz(b.and(entry, b.i32(PTE_A))), () =>
        b.store('i32.store', b.value(place), b.or(entry, b.i32(PTE_A))),
      );
    });
  b.if(write, () => {
    const last = lastOf(b, places);
    b.store('i32.store', last, b.or(b.load('i32.load', last), b.i32(PTE_D)));
  });
}

/** The bits of an address that say which page it is in. */
export const PAGE = -4096n;

/** Address of the TLB entry for a linear address: the low bits of its page number choose it. */
export function tlbEntry(b: Builder, va: Node, tlb: Node): Node {
  const offset = b.shrU(b.wrap(va), b.i32(12 - TLB_ENTRY_SHIFT));
  return b.add(b.and(offset, b.i32((TLB_ENTRIES - 1) << TLB_ENTRY_SHIFT)), tlb);
}

/** The same, as an index, for the low half of an address. */
export const tlbIndex = (low: number): number => (low >>> 12) & (TLB_ENTRIES - 1);

/** Whether an entry is of another page than the last byte of an operand is in, or may not be written. */
export function missesTlb(b: Builder, entry: Node, last: Node, write: boolean): Node {
  const tag = b.load('i64.load', entry, TLB_TAG);
  return write
    ? b.ne(b.and(last, b.i64(PAGE)), tag)
    : b.op('i64.ge_u', b.xor(last, tag), b.i64(4096));
}

/** Which bits of an address choose the group of entries that it is in. */
const GROUP_SHIFT: number = 12 + Math.log2(TLB_GROUP);

/** Enters a page. */
export function fill(b: Builder, va: Node, physical: Node, tlb: Node, flags: number): void {
  const entry = tlbEntry(b, va, tlb);
  b.store('i64.store', entry, b.or(b.and(va, b.i64(PAGE)), b.i64(flags)), TLB_TAG);
  b.store('i32.store', entry, b.sub(physical, b.wrap(va)), TLB_ADDEND);
  const group = b.and(b.shrU(b.wrap(va), b.i32(GROUP_SHIFT)), b.i32(TLB_GROUPS - 1));
  b.store('i32.store8', b.add(group, tlb), b.i32(1), TLB_FILLED);
}

/** Notes a guest write to a frame: drops code that came from it. */
function noteWrite(b: Builder, physical: Node): void {
  const frame = b.shrU(physical, b.i32(12));
  b.if(b.and(b.load('i32.load8_u', frame, FRAME_FLAGS), b.i32(FRAME_CODE)), () => {
    b.node('call_import', undefined, 'effect', [frame], 'codeWritten');
  });
  const flags = b.load('i32.load8_u', frame, FRAME_FLAGS);
  b.store('i32.store8', frame, b.or(flags, b.i32(FRAME_WRITTEN)), FRAME_FLAGS);
}

/** Makes BOUNCE of two pieces of an operand that straddles a page boundary. */
function assemble(b: Builder, first: Node, second: Node, split: Node, size: Node): void {
  b.node('memory.copy', undefined, 'effect', [b.i32(BOUNCE), first, split]);
  const rest = b.sub(size, split);
  b.node('memory.copy', undefined, 'effect', [b.add(b.i32(BOUNCE), split), second, rest]);
}

/** Where an operand goes on in another page, how many bytes are before that, and its address. */
interface Straddle {
  readonly crosses: Node;
  readonly split: Node;
  readonly next: Node;
}

function straddle(b: Builder, va: Node, size: Node): Straddle {
  const offset = b.and(b.wrap(va), b.i32(0xfff));
  const split = b.sub(b.i32(4096), offset);
  return {
    crosses: b.op('i32.gt_u', size, split),
    split,
    next: b.and(b.add(va, b.i64(4095)), b.i64(PAGE)),
  };
}

export const returnIfFault = (b: Builder, physical: Node): void =>
  b.if(b.eq(physical, b.i32(FAULT)), () => b.return(b.i32(FAULT)));

/**
 * An operand whose end is not canonical faults for that before any page is looked at; of ten bytes the first eight are one of
 * their own.
 */
function checkEnd(b: Builder, { crosses, split, next }: Straddle, size: Node): void {
  const hole = b.eq(next, b.i64(1n << 47n));
  const apart = b.and(b.eq(size, b.i32(10)), b.eqz(b.ltU(split, b.i32(8))));
  b.if(b.and(crosses, b.and(hole, b.eqz(apart))), () => b.return(b.call(walk, next, b.i32(READ))));
}

/** TLB miss on a read. */
export const readMiss: Helper = {
  name: 'readMiss',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, size, tlb) {
    const ends = straddle(b, va, size);
    const { crosses, split, next } = ends;
    checkEnd(b, ends, size);
    const physical = b.call(walk, va, b.i32(READ));
    returnIfFault(b, physical);
    b.if(crosses, () => {
      const second = b.call(walk, next, b.i32(READ));
      returnIfFault(b, second);
      assemble(b, physical, second, split, size);
      b.return(b.i32(BOUNCE));
    });
    fill(b, va, physical, tlb, TLB_READ_ONLY);
    return physical;
  },
};

/** TLB miss on a write. A straddling store goes to BOUNCE, and from there to its places with `commitStore`. */
export const writeMiss: Helper = {
  name: 'writeMiss',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, size, tlb) {
    const ends = straddle(b, va, size);
    const { crosses, split, next } = ends;
    checkEnd(b, ends, size);
    const physical = b.call(walk, va, b.i32(WRITE));
    returnIfFault(b, physical);
    b.if(crosses, () => {
      const second = b.call(walk, next, b.i32(WRITE));
      returnIfFault(b, second);
      noteWrite(b, physical);
      noteWrite(b, second);
      assemble(b, physical, second, split, size);
      b.store('i32.store', b.i32(BOUNCE_FIRST), physical);
      b.store('i32.store', b.i32(BOUNCE_SECOND), second);
      b.store('i32.store', b.i32(BOUNCE_SPLIT), split);
      b.store('i32.store', b.i32(BOUNCE_SIZE), size);
      b.return(b.i32(BOUNCE));
    });
    noteWrite(b, physical);
    fill(b, va, physical, tlb, 0);
    return physical;
  },
};

/** Writes BOUNCE to the two places of the straddling operand. */
export const commitStore: Helper = {
  name: 'commitStore',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const cell = (address: number): Node => b.load('i32.load', b.i32(address));
    const split = cell(BOUNCE_SPLIT);
    b.node('memory.copy', undefined, 'effect', [cell(BOUNCE_FIRST), b.i32(BOUNCE), split]);
    const from = b.add(b.i32(BOUNCE), split);
    b.node('memory.copy', undefined, 'effect', [
      cell(BOUNCE_SECOND),
      from,
      b.sub(cell(BOUNCE_SIZE), split),
    ]);
  },
};
