/** Generates the WebAssembly of a region: a function with its blocks in a dispatch loop, and a handler for each entry. */
import type { Code } from '@vitrine/wasm/code.ts';
import { ModuleWriter } from '@vitrine/wasm/module.ts';
import { semantics } from '../insn/index.ts';
import { Builder } from '../ir/builder.ts';
import { emit, type Linker } from '../ir/emit.ts';
import type { Helper, Region as Nodes } from '../ir/node.ts';
import type { Operand, Width } from '../ir/operand.ts';
import { EXIT_FUEL_LEFT, EXIT_REC, RIP_CELL } from '../layout.ts';
import type { Row } from '../opcodes.ts';
import { helperExport } from '../tier0/generate.ts';
import { rowHandlers } from '../tier0/handlers.ts';
import { operandsOf } from '../tier0/operands.ts';
import { continueAt, Tier0Target } from '../tier0/target.ts';
import { DISPATCH, Frame, TO_LOOKUP } from './frame.ts';
import type { Region } from './region.ts';
import { Tier1Target } from './target.ts';

const HANDLER = ['i32', 'i32', 'i32'] as const;
const REGION = [...HANDLER, 'i32'] as const;

/** Name of the export that enters a region at a block. */
export const entryExport = (block: number): string => `e${block}`;

/** The operand size, as the row's handlers of tier 0 have it: rows of 32 or 64 bits take 66 for 32. */
function widthOf({ id }: Row, opsize: Width): Width {
  const { widths } = rowHandlers[id]!;
  return widths.includes(opsize) ? opsize : widths[0]!;
}

/** The meaning of one block. */
function buildBlock(frame: Frame, region: Region, place: number): Builder {
  const target = new Tier1Target(frame, region, place);
  const b = new Builder(target);
  const { insns, live } = region.blocks[place]!;
  for (let i = 0; i < insns.length; i++) {
    const { row, opsize, isReg, rep, address32 } = target.begin(i);
    b.width = widthOf(row, opsize);
    b.rep = row.rep ? rep : 0;
    b.address32 = row.address32 && address32;
    b.opcode = row.opcode;
    b.flags.live = live[i] === 1 || !(row.writes | row.writesSometimes);
    semantics[row.sem]!(b, operandsOf(row.operands, b.width, isReg) as Operand[]);
    b.flags.settle();
    target.finish(b);
  }
  if (!target.ended) target.fallThrough(b);
  return b;
}

/** Behind the LEAVE label: writes the registers back and goes where the path said. */
function buildLeave(frame: Frame): Builder {
  const b = new Builder(new Tier0Target(undefined));
  for (const { address, variable, written } of frame.used)
    if (written) b.store(`${variable.type}.store`, b.i32(0), b.value(variable), address);
  const fuel = b.value(frame.fuel);
  const rip = b.value(frame.exitRip);
  const code = b.value(frame.exitCode);
  b.if(b.ne(code, b.i32(TO_LOOKUP)), () => {
    b.store('i32.store', b.i32(0), b.i32(0), EXIT_REC);
    b.store('i32.store', b.i32(0), fuel, EXIT_FUEL_LEFT);
    b.store('i64.store', b.i32(0), rip, RIP_CELL);
    b.return(code);
  });
  b.node('return_call', undefined, 'effect', [rip, fuel, b.param(2, 'i32')], continueAt);
  return b;
}

/** Helpers that nodes call; they are tier 0's. */
function helpersOf(nodes: Nodes, into: Set<Helper>): void {
  for (const { op, imm, bodies } of nodes.nodes) {
    if (op === 'call' || op === 'return_call') into.add(imm as Helper);
    for (const body of bodies) helpersOf(body, into);
  }
}

/** The bytes of the region's module; it exports a handler for each block. */
export function generateRegion(region: Region): Uint8Array {
  const frame = new Frame();
  const blocks = region.blocks.map((_, place) => buildBlock(frame, region, place));
  const leave = buildLeave(frame);
  const helpers = new Set<Helper>();
  for (const { root } of [...blocks, leave]) helpersOf(root, helpers);

  const module = new ModuleWriter();
  module.importMemory('env', 'memory', { min: 1, max: 65536 });
  const handlerType = module.type(HANDLER, ['i32']);
  const indices = new Map<Helper, number>();
  for (const helper of helpers) {
    const results = helper.result ? [helper.result] : [];
    indices.set(
      helper,
      module.importFunc('tier0', helperExport(helper.name), helper.params, results),
    );
  }
  const linker: Linker = {
    handlerType,
    helper: (helper) => indices.get(helper)!,
    imported: (name) => {
      throw new Error(`a region does not import ${name}`);
    },
  };
  const { index, code } = module.func(REGION, ['i32']);
  writeRegion(code, frame, blocks, leave, linker);
  region.blocks.forEach((_, place) => {
    const entry = module.func(HANDLER, ['i32']);
    entry.code.get(0).get(1).get(2).i32(place).returnCall(index);
    module.exportFunc(entryExport(place), entry.index);
  });
  return module.finish();
}

function writeRegion(
  code: Code,
  frame: Frame,
  blocks: readonly Builder[],
  leave: Builder,
  linker: Linker,
): void {
  for (const { address, variable } of frame.used) {
    variable.local = code.local(variable.type);
    code.i32(0).mem(`${variable.type}.load`, address).set(variable.local);
  }
  const count = blocks.length;
  code.enter('block').enter('loop');
  for (let i = 0; i < count; i++) code.enter('block');
  code.get(frame.block.local).brTable(
    Array.from({ length: count - 1 }, (_, i) => i),
    count - 1,
  );
  blocks.forEach(({ root }, i) => {
    code.end();
    emit(root, code, linker, DISPATCH + count - 1 - i);
  });
  code.op('unreachable').end().end();
  emit(leave.root, code, linker);
  code.op('unreachable');
}
