import type { Builder } from '../ir/builder.ts';
import type { Helper, Node, Var } from '../ir/node.ts';
import type { Slot, Width } from '../ir/operand.ts';
import type { Target } from '../ir/target.ts';
import {
  ASSIST_CELL,
  BOUNCE,
  EXIT_ASSIST,
  EXIT_FAULT,
  EXIT_FUEL,
  EXIT_FUEL_LEFT,
  EXIT_FUEL_RIP,
  EXIT_LAST,
  EXIT_LOOKUP,
  EXIT_PAGE_FAULT,
  EXIT_REC,
  FAULT_CODE,
  FAULT_VECTOR,
  FLAGS_AUX,
  FLAGS_RESULT,
  FUEL_BEYOND,
  FUEL_SHARE,
  EXECUTED,
  EXECUTED_BITS,
  EXECUTED_MAP,
  JUMP_CACHE,
  LINKS,
  JUMP_ENTRIES,
  KEPT_KIND,
  KEPT_Y,
  RETURN_BASE,
  RETURN_TOP,
  RETURNED,
  RIP_CELL,
  ST_BASE,
  TLB_ADDEND,
  XMM_BASE,
} from '../layout.ts';
import {
  commitStore,
  FAULT,
  FETCH,
  missesTlb,
  readMiss,
  tlbEntry,
  walk,
  writeMiss,
} from '../mmu.ts';
import { goldenHash, goldenHashOf } from './hash.ts';
import { ifKnown } from './known-blocks.ts';
import { keptAux, keptResult } from '../tier1/frame.ts';
import { ALONE, baseHandlers, handlerCount, type Shape } from './handlers.ts';
import {
  layoutOf,
  MICRO_RESYNC,
  REC_COUNT,
  REC_INDEX,
  REC_PLACE,
  REC_REG,
  REC_RM,
  SCALE_SHIFT,
  type Layout,
} from './record.ts';

/** Notes where a handler leaves. */
function noteExit(b: Builder, rec: Node, fuel: Node): void {
  b.store('i32.store', b.i32(EXIT_REC), rec);
  b.store('i32.store', b.i32(EXIT_FUEL_LEFT), fuel);
}

/** Leaves with the fault that the FAULT_ cells describe. */
const leaveWithFault: Helper = {
  name: 'leaveWithFault',
  params: ['i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, rec, fuel) {
    noteExit(b, rec, fuel);
    const isPageFault = b.eq(b.load('i32.load', b.i32(FAULT_VECTOR)), b.i32(14));
    return b.select(isPageFault, b.i32(EXIT_PAGE_FAULT), b.i32(EXIT_FAULT));
  },
};

/** Leaves with an exit code. */
const leave: Helper = {
  name: 'leave',
  params: ['i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, rec, fuel, code) {
    noteExit(b, rec, fuel);
    return code;
  },
};

/** Leaves with RIP set. */
const leaveAt: Helper = {
  name: 'leaveAt',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, code) {
    b.store('i64.store', b.i32(RIP_CELL), va);
    b.store('i32.store', b.i32(EXIT_FUEL_LEFT), fuel);
    return code;
  },
};

/** An address whose entry is not in its first place may be in its second one: they change places. */
const secondLookup: Helper = {
  name: 'secondLookup',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, tlb) {
    ifEntered(b, secondHashOf(b, va), va, tlb, (rec, linked) => {
      const first = entryAt(b, hashOf(b, va), tlb);
      displace(b, first, va, tlb);
      enter(b, first, va, rec, linked);
      b.node('tail', undefined, 'effect', [rec, fuel, tlb, b.load('i32.load16_u', rec)]);
    });
    b.node('return_call', undefined, 'effect', [va, fuel, tlb], lookUpKnown);
  },
};

/** An address that this space has not been at may be known from another one: as `Contexts.enterJump` does it. */
const lookUpKnown: Helper = {
  name: 'lookUpKnown',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, tlb) {
    const physical = b.call(walk, va, b.i32(FETCH));
    b.if(b.ne(physical, b.i32(FAULT)), () =>
      ifKnown(b, va, b.shrU(physical, b.i32(12)), (rec) => {
        const first = entryAt(b, hashOf(b, va), tlb);
        displace(b, first, va, tlb);
        const handler = b.load('i32.load16_u', rec);
        const link = b.load('i32.load', b.shl(handler, b.i32(2)), LINKS);
        const tier0 = b.ltU(handler, b.i32(handlerCount));
        enter(b, first, va, rec, b.select(tier0, b.i32(0), link));
        noteExecuted(b, va, tlb);
        b.node('tail', undefined, 'effect', [rec, fuel, tlb, handler]);
      }),
    );
    b.node('return_call', undefined, 'effect', [va, fuel, b.i32(EXIT_LOOKUP)], leaveAt);
  },
};

/** What is in the first place of an address moves to its own second one, if that is not where it is. */
function displace(b: Builder, first: Node, va: Node, tlb: Node): void {
  const other = b.load('i64.load', first, JUMP_CACHE);
  const rec = b.load('i32.load', first, JUMP_CACHE + 8);
  const linked = b.load('i32.load', first, JUMP_CACHE + 12);
  // What is in its second place there is gone; so is nothing: an empty entry belongs nowhere.
  b.if(b.eq(hashOf(b, other), hashOf(b, va)), () =>
    enter(b, entryAt(b, secondHashOf(b, other), tlb), other, rec, linked),
  );
}

/** The jump cache may lead to a page: Contexts.noteExecuted. */
function noteExecuted(b: Builder, va: Node, tlb: Node): void {
  const bit = b.and(b.wrap(b.shrU(va, b.i64(12))), b.i32(EXECUTED_BITS - 1));
  const byte = b.add(tlb, b.shrU(bit, b.i32(3)));
  const mask = b.shl(b.i32(1), b.and(bit, b.i32(7)));
  b.store('i32.store8', tlb, b.i32(1), EXECUTED);
  b.store('i32.store8', byte, b.or(b.load('i32.load8_u', byte, EXECUTED_MAP), mask), EXECUTED_MAP);
}

function enter(b: Builder, entry: Node, va: Node, rec: Node, linked: Node): void {
  b.store('i64.store', entry, va, JUMP_CACHE);
  b.store('i32.store', entry, rec, JUMP_CACHE + 8);
  b.store('i32.store', entry, linked, JUMP_CACHE + 12);
}

/** Continues at an address, for tier 1: a region's module does without the table, of which V8 gives each instance a copy. */
export const continueAt: Helper = {
  name: 'continueAt',
  params: ['i64', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, va, fuel, tlb) {
    ifEntered(b, hashOf(b, va), va, tlb, (rec) => {
      const handler = b.load('i32.load16_u', rec);
      b.if(b.ltU(handler, b.i32(handlerCount)), () => b.call(settleFlags));
      b.node('tail', undefined, 'effect', [rec, fuel, tlb, handler]);
    });
    b.call(settleFlags);
    b.node('return_call', undefined, 'effect', [va, fuel, tlb], secondLookup);
  },
};

/** Makes the flags' words of what a region of tier 1 kept of them. */
export const settleFlags: Helper = {
  name: 'settle_flags',
  params: [],
  result: undefined,
  pure: false,
  body(b) {
    const kind = b.load('i32.load8_u', b.i32(KEPT_KIND));
    b.if(kind, () => {
      const x = b.load('i64.load', b.i32(FLAGS_RESULT));
      const y = b.load('i64.load', b.i32(KEPT_Y));
      b.store('i64.store', b.i32(KEPT_Y), b.extendU(b.call(keptAux, kind, x, y)));
      b.store('i64.store', b.i32(FLAGS_RESULT), b.call(keptResult, kind, x, y));
      b.store('i32.store8', b.i32(KEPT_KIND), b.i32(0));
    });
  },
};

/** Executes a record by a handler of tier 0, which tier 1 has taken the place of. */
export const interpret: Helper = {
  name: 'interpret',
  params: ['i32', 'i32', 'i32', 'i32'],
  result: 'i32',
  pure: false,
  body(b, rec, fuel, tlb, handler) {
    b.call(settleFlags);
    // The core would go by the record's own number, and come back to tier 1.
    const hasCore = b.ltU(handler, b.i32(baseHandlers));
    const alone = b.select(hasCore, b.add(handler, b.i32(ALONE)), handler);
    b.node('tail', undefined, 'effect', [rec, fuel, tlb, alone]);
  },
};

/**
 * Comes back to the region of tier 1 that waits for a call when an address is what it expects. That one is another
 * activation's only if the addresses are the same, and then its registers and its stack are those in memory, as for any.
 * @param fuel what is left, with tier 0's share
 */
export function ifExpected(b: Builder, va: Node, fuel: () => Node): void {
  const top = b.load('i32.load', b.i32(RETURN_TOP));
  const waits = b.ne(top, b.load('i32.load', b.i32(RETURN_BASE)));
  const expected = b.and(b.eq(b.load('i64.load', top), va), waits);
  b.if(expected, () => {
    b.store('i32.store', b.i32(RETURN_TOP), b.sub(top, b.i32(8)));
    b.return(b.xor(fuel(), b.i32(RETURNED)));
  });
}

/** An entry of the jump cache, by its place. */
const entryAt = (b: Builder, place: Node, tlb: Node): Node => b.add(b.shl(place, b.i32(4)), tlb);

/**
 * Goes on with an address's record if that is in a place of the jump cache.
 * @param then gets the record and the handler for regions of tier 1, or 0
 */
export function ifEntered(
  b: Builder,
  place: Node,
  va: Node,
  tlb: Node,
  then: (rec: Node, linked: Node) => void,
): void {
  const entry = entryAt(b, place, tlb);
  b.if(b.eq(b.load('i64.load', entry, JUMP_CACHE), va), () =>
    then(b.load('i32.load', entry, JUMP_CACHE + 8), b.load('i32.load', entry, JUMP_CACHE + 12)),
  );
}

export function hashOf(b: Builder, va: Node): Node {
  const low = b.wrap(va);
  return b.and(b.xor(low, b.shrU(low, b.i32(7))), b.i32(JUMP_ENTRIES - 1));
}

const SECOND_BITS = Math.log2(JUMP_ENTRIES);

export const secondHashOf = (b: Builder, va: Node): Node =>
  goldenHashOf(b, va, b.i32(32 - SECOND_BITS));

/** Second place of an address in the jump cache. */
export const secondJumpHash = (low: number): number => goldenHash(low, SECOND_BITS);

/** First place of an address in the jump cache: what the handlers compute. */
export const jumpHash = (low: number): number => (low ^ (low >>> 7)) & (JUMP_ENTRIES - 1);

/**
 * Operands live in the register file in memory, and records (record.ts) say which. A handler is a function
 * (record, fuel, TLB) that ends by tail-calling the handler of the next record, or returns an EXIT_ code.
 */
export class Tier0Target implements Target {
  readonly #shape: Shape | undefined;
  readonly #layout: Layout | undefined;
  /** Offset of the record from the handler's parameter: not 0 for the second of a pair. */
  protected readonly offset: number;
  /** Set when the handler ends by itself. */
  ended = false;
  #addressNode: Node | undefined;
  readonly #slots = new Map<Slot, Node>();

  constructor(shape: Shape | undefined, offset = 0) {
    this.#shape = shape;
    this.offset = offset;
    this.#layout = shape && layoutOf(shape);
  }

  rec(b: Builder): Node {
    const first = b.param(0, 'i32');
    return this.offset === 0 ? first : b.add(first, b.i32(this.offset));
  }

  fuel(b: Builder): Node {
    return b.param(1, 'i32');
  }

  tlb(b: Builder): Node {
    return b.param(2, 'i32');
  }

  /** A field of the record; records do not change while they execute. */
  #field(b: Builder, load: string, offset: number): Node {
    const type = load.startsWith('i64') ? 'i64' : 'i32';
    return b.node(load, type, 'pure', [b.param(0, 'i32')], offset + this.offset);
  }

  #slot(b: Builder, slot: Slot): { address: Node; offset: number } {
    if (typeof slot === 'number') return { address: b.i32(0), offset: slot * 8 };
    let address = this.#slots.get(slot);
    if (!address || address.region !== b.root) {
      const field = { reg: REC_REG, rm: REC_RM, vvvv: REC_INDEX }[slot];
      address = this.#field(b, 'i32.load8_u', field);
      if (address.region === b.root) this.#slots.set(slot, address);
    }
    return { address, offset: 0 };
  }

  readGpr(b: Builder, slot: Slot, width: Width): Node {
    const { address, offset } = this.#slot(b, slot);
    const load = (
      { 8: 'i32.load8_u', 16: 'i32.load16_u', 32: 'i32.load', 64: 'i64.load' } as const
    )[width];
    return b.load(load, address, offset);
  }

  writeGpr(b: Builder, slot: Slot, width: Width, value: Node): void {
    const { address, offset } = this.#slot(b, slot);
    if (width === 8) b.store('i32.store8', address, b.wrap(value), offset);
    else if (width === 16) b.store('i32.store16', address, b.wrap(value), offset);
    else b.store('i64.store', address, b.extendU(width === 32 ? b.wrap(value) : value), offset);
  }

  #vector(b: Builder, file: 'xmm' | 'mmx', slot: Slot): { address: Node; offset: number } {
    const base = file === 'xmm' ? XMM_BASE : ST_BASE;
    if (typeof slot === 'number') return { address: b.i32(0), offset: base + slot * 16 };
    return { address: this.#slot(b, slot).address, offset: base };
  }

  readVector(b: Builder, file: 'xmm' | 'mmx', slot: Slot, load: string, offset: number): Node {
    const place = this.#vector(b, file, slot);
    return b.load(load, place.address, place.offset + offset);
  }

  writeVector(
    b: Builder,
    file: 'xmm' | 'mmx',
    slot: Slot,
    store: string,
    offset: number,
    value: Node,
  ): void {
    const place = this.#vector(b, file, slot);
    b.store(store, place.address, value, place.offset + offset);
    // Seen as an x87 register, one written by MMX has all ones for sign and exponent.
    if (file === 'mmx') b.store('i32.store16', place.address, b.i32(0xffff), place.offset + 8);
  }

  vectorAddress(b: Builder, file: 'xmm' | 'mmx', slot: Slot): Node {
    const place = this.#vector(b, file, slot);
    return b.add(place.address, b.i32(place.offset));
  }

  readCell(b: Builder, address: number, load: string): Node {
    return b.load(load, b.i32(0), address);
  }

  writeCell(b: Builder, address: number, store: string, value: Node): void {
    b.store(store, b.i32(0), value, address);
  }

  writeFlags(b: Builder, result: Node, aux: Node): void {
    b.store('i64.store', b.i32(0), result, FLAGS_RESULT);
    b.store('i32.store', b.i32(0), aux, FLAGS_AUX);
  }

  immediate(b: Builder, type: 'i32' | 'i64'): Node {
    return this.#field(b, `${type}.load`, this.#layout!.immediate);
  }

  address(b: Builder): Node {
    if (this.#addressNode) return this.#addressNode;
    const base = b.load('i64.load', this.#field(b, 'i32.load8_u', REC_RM));
    let address = b.add(base, this.#field(b, 'i64.load', 8));
    if (this.#shape!.form === 'indexed') address = b.add(address, this.scaledIndex(b));
    this.#addressNode = address;
    return address;
  }

  /** index << scale, as the record has them. */
  scaledIndex(b: Builder): Node {
    const index = b.load('i64.load', this.#field(b, 'i32.load8_u', REC_INDEX));
    const scale = this.#field(b, 'i64.load16_u', REC_PLACE);
    return b.shl(index, b.shrU(scale, b.i64(SCALE_SHIFT)));
  }

  nextIp(b: Builder): Node {
    return this.#field(b, 'i64.load', this.#layout!.immediate);
  }

  x87Place(b: Builder): Node {
    return this.#field(b, 'i64.load', this.#layout!.immediate);
  }

  translate(b: Builder, va: Node, size: number, write: boolean): Node {
    const last = size > 1 ? b.add(va, b.i64(size - 1)) : va;
    const entry = tlbEntry(b, va, this.tlb(b));
    const physical = b.var(b.add(b.wrap(va), b.load('i32.load', entry, TLB_ADDEND)));
    b.unlikely(missesTlb(b, entry, last, write), () => this.missed(b, va, size, write, physical));
    return b.value(physical);
  }

  /** Looks for an operand in the page tables. */
  protected missed(b: Builder, va: Node, size: number, write: boolean, physical: Var): void {
    const miss = write ? writeMiss : readMiss;
    b.assign(physical, b.call(miss, va, b.i32(size), this.tlb(b)));
    b.unlikely(b.eq(b.value(physical), b.i32(FAULT)), () =>
      this.#tailHelper(b, leaveWithFault, this.rec(b), this.fuel(b)),
    );
  }

  commit(b: Builder, physical: Node): void {
    b.unlikely(b.eq(physical, b.i32(BOUNCE)), () => b.call(commitStore));
  }

  #tailHelper(b: Builder, helper: Helper, ...args: Node[]): void {
    b.node('return_call', undefined, 'effect', args, helper);
  }

  /** Goes on with another record. */
  dispatch(b: Builder, rec: Node, fuel: Node): void {
    const handler = b.load('i32.load16_u', rec);
    b.node('tail', undefined, 'effect', [rec, fuel, this.tlb(b), handler]);
  }

  /** Goes on with the record behind this one. */
  next(b: Builder, size: number): void {
    this.dispatch(b, b.add(b.param(0, 'i32'), b.i32(this.offset + size)), this.fuel(b));
  }

  /** Goes to the next record by its own handler if a store has just turned it into MICRO_RESYNC. */
  nextIfDropped(b: Builder, size: number): void {
    const handler = b.load('i32.load16_u', b.param(0, 'i32'), this.offset + size);
    b.unlikely(b.eq(handler, b.i32(MICRO_RESYNC)), () => this.next(b, size));
  }

  /** The handler executes two instructions of one record. */
  protected get isFused(): boolean {
    return this.#shape?.fused !== undefined;
  }

  /** Fuel left after this block. */
  spent(b: Builder): Node {
    const spent = b.sub(this.fuel(b), this.#field(b, 'i32.load8_u', REC_COUNT));
    // The count is that of the first instruction of a fused pair, which may fault.
    return this.isFused ? b.sub(spent, b.i32(1)) : spent;
  }

  /** Leaves when there is no fuel left, and notes what was executed last. */
  #unlessSpent(b: Builder, fuel: Node, then: () => void): void {
    b.unlikely(b.op('i32.le_s', fuel, b.i32(0)), () => {
      b.store('i32.store', b.i32(EXIT_LAST), this.rec(b));
      then();
    });
  }

  /** Ends the block at a record. */
  protected goto(b: Builder, rec: Node): void {
    const fuel = this.spent(b);
    this.#unlessSpent(b, fuel, () => this.#tailHelper(b, leave, rec, fuel, b.i32(EXIT_FUEL)));
    this.dispatch(b, rec, fuel);
    this.ended = true;
  }

  jump(b: Builder): void {
    this.goto(b, this.#field(b, 'i32.load', this.#layout!.links));
  }

  /** The MICRO_GOTO record: like a jump, with its link behind the header. */
  gotoLink(b: Builder): void {
    this.goto(b, this.#field(b, 'i32.load', 8));
  }

  branch(b: Builder, condition: Node): void {
    const { links } = this.#layout!;
    const taken = this.#field(b, 'i32.load', links);
    const fall = this.#field(b, 'i32.load', links + 4);
    this.goto(b, b.select(condition, taken, fall));
  }

  jumpTo(b: Builder, va: Node): void {
    const fuel = this.spent(b);
    this.#unlessSpent(b, fuel, () => this.#tailHelper(b, leaveAt, va, fuel, b.i32(EXIT_FUEL_RIP)));
    if (this.#shape?.row.sem === 'ret')
      ifExpected(b, va, () => {
        b.store('i32.store', b.i32(FUEL_SHARE), fuel);
        return b.add(fuel, b.load('i32.load', b.i32(FUEL_BEYOND)));
      });
    this.lookup(b, va, fuel);
  }

  /** Continues at an address through the jump cache. */
  lookup(b: Builder, va: Node, fuel: Node): void {
    ifEntered(b, hashOf(b, va), va, this.tlb(b), (rec) => this.dispatch(b, rec, fuel));
    this.#tailHelper(b, secondLookup, va, fuel, this.tlb(b));
    this.ended = true;
  }

  again(b: Builder, condition: Node): void {
    b.if(condition, () => {
      const fuel = b.sub(this.fuel(b), b.i32(1));
      this.#unlessSpent(b, fuel, () => this.exit(b, EXIT_FUEL, fuel));
      this.dispatch(b, this.rec(b), fuel);
    });
  }

  /** Leaves at this record. */
  exit(b: Builder, code: number, fuel: Node = this.fuel(b)): void {
    this.#tailHelper(b, leave, this.rec(b), fuel, b.i32(code));
  }

  raise(b: Builder, vector: number, errorCode: Node): void {
    b.store('i32.store', b.i32(FAULT_VECTOR), b.i32(vector));
    b.store('i32.store', b.i32(FAULT_CODE), errorCode);
    this.#tailHelper(b, leaveWithFault, this.rec(b), this.fuel(b));
  }

  trap(b: Builder, exit: number, vector: number): void {
    if (vector >= 0) {
      b.store('i32.store', b.i32(FAULT_VECTOR), b.i32(vector));
      b.store('i32.store', b.i32(FAULT_CODE), b.i32(0));
    }
    this.#tailHelper(b, leaveAt, this.nextIp(b), this.spent(b), b.i32(exit));
    this.ended = true;
  }

  assist(b: Builder, number: number): void {
    b.store('i32.store', b.i32(ASSIST_CELL), b.i32(number));
    this.exit(b, EXIT_ASSIST);
    this.ended = true;
  }
}
