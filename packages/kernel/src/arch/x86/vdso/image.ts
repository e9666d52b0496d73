import * as EL from '@vitrine/uapi/elf.ts';
import { LINUX_VERSION_CODE } from '../../../kernel/uts.ts';
import { PAGE_SIZE } from '../../../include/ram.ts';
import { VDSO_FUNCTIONS } from './code.ts';

/** The vDSO: a shared object of one page, linked here (analogous to arch/x86/entry/vdso). */

// Gnu hash style tables are optional where DT_HASH is there; glibc, musl and Go read the latter.
const STB_GLOBAL = 1;
const STB_WEAK = 2;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const SHN_ABS = 0xfff1;
const DT_SYMBOLIC = 16;

interface Symbol {
  readonly name: string;
  readonly info: number;
  readonly section: number;
  value: number;
  size: number;
}

/** Strings one after the other, each once. */
class StringTable {
  text = '\0';
  add(name: string): number {
    const found = this.text.indexOf(`\0${name}\0`);
    if (found >= 0) return found + 1;
    const at = this.text.length;
    this.text += `${name}\0`;
    return at;
  }
}

/** The System V ABI's hash of a symbol's name. */
function elf_hash(name: string): number {
  let h = 0;
  for (const c of name) {
    h = ((h << 4) + c.charCodeAt(0)) >>> 0;
    const g = (h & 0xf000_0000) >>> 0;
    if (g !== 0) h ^= g >>> 24;
    h = (h & ~g) >>> 0;
  }
  return h;
}

const align = (n: number, to: number): number => Math.ceil(n / to) * to;

/** The image that every process maps. */
export function vdso_image(): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  const view = new DataView(bytes.buffer);
  const strings = new StringTable();
  const symbols: Symbol[] = [{ name: '', info: 0, section: 0, value: 0, size: 0 }];
  const TEXT = 1;
  for (const [name] of VDSO_FUNCTIONS) {
    symbols.push({ name, info: (STB_GLOBAL << 4) | STT_FUNC, section: TEXT, value: 0, size: 0 });
    symbols.push({ name: name.replace('__vdso_', ''), info: (STB_WEAK << 4) | STT_FUNC, section: TEXT, value: 0, size: 0 }); // prettier-ignore
  }
  symbols.push({ name: 'LINUX_2.6', info: (STB_GLOBAL << 4) | STT_OBJECT, section: SHN_ABS, value: 0, size: 0 }); // prettier-ignore
  const soname = strings.add('linux-vdso.so.1');
  const names = symbols.map((symbol) => (symbol.name === '' ? 0 : strings.add(symbol.name)));

  const hash = 64 + 3 * 56;
  const dynsym = align(hash + (2 + 1 + symbols.length) * 4, 8);
  const dynstr = dynsym + symbols.length * 24;
  const versym = align(dynstr + strings.text.length, 2);
  const verdef = align(versym + symbols.length * 2, 8);
  const dynamic = align(verdef + 56, 8);
  const dynamicSize = 12 * 16;
  const note = dynamic + dynamicSize;
  const noteSize = 12 + 8 + 4;
  const text = align(note + noteSize, 32);

  let at = text;
  VDSO_FUNCTIONS.forEach(([, make], i) => {
    const code = make(at);
    bytes.set(code, at);
    for (const symbol of [symbols[1 + 2 * i]!, symbols[2 + 2 * i]!]) {
      symbol.value = at;
      symbol.size = code.length;
    }
    at = align(at + code.length, 16);
  });
  const end = at;

  header(view, end, dynamic, dynamicSize, note, noteSize);
  // One bucket: every symbol but the null one on one chain.
  put32(view, hash, [1, symbols.length, 1, 0, ...symbols.slice(1).map((_, i) => (i + 2 < symbols.length ? i + 2 : 0))]); // prettier-ignore
  symbols.forEach((symbol, i) => {
    const entry = dynsym + i * 24;
    view.setUint32(entry, names[i]!, true);
    bytes[entry + 4] = symbol.info;
    view.setUint16(entry + 6, symbol.section, true);
    view.setUint32(entry + 8, symbol.value, true);
    view.setUint32(entry + 16, symbol.size, true);
    view.setUint16(versym + i * 2, i === 0 ? 0 : 2, true);
  });
  for (let i = 0; i < strings.text.length; i++) bytes[dynstr + i] = strings.text.charCodeAt(i);
  version(view, verdef, 1, 1, 'linux-vdso.so.1', soname, 28);
  version(view, verdef + 28, 0, 2, 'LINUX_2.6', strings.add('LINUX_2.6'), 0);
  const entries: [number, number][] = [
    [EL.DT_SONAME, soname],
    [DT_SYMBOLIC, 0],
    [EL.DT_HASH, hash],
    [EL.DT_STRTAB, dynstr],
    [EL.DT_SYMTAB, dynsym],
    [EL.DT_STRSZ, strings.text.length],
    [EL.DT_SYMENT, 24],
    [EL.DT_VERDEF, verdef],
    [EL.DT_VERDEFNUM, 2],
    [EL.DT_VERSYM, versym],
    [EL.DT_NULL, 0],
  ];
  entries.forEach(([tag, value], i) => {
    view.setUint32(dynamic + i * 16, tag, true);
    view.setUint32(dynamic + i * 16 + 8, value, true);
  });
  // PT_NOTE: the kernel's version, by which glibc may refuse a kernel that is too old.
  put32(view, note, [6, 4, 0, 0x756e694c, 0x0000_0078, LINUX_VERSION_CODE]); // "Linux"
  return bytes;
}

function put32(view: DataView, at: number, words: readonly number[]): void {
  words.forEach((word, i) => view.setUint32(at + i * 4, word, true));
}

/** The ELF header and its three program headers: PT_LOAD, PT_DYNAMIC, PT_NOTE. */
function header(
  view: DataView,
  end: number,
  dynamic: number,
  dynamicSize: number,
  note: number,
  noteSize: number,
): void {
  put32(view, 0, [0x464c_457f, 0x0001_0102]);
  view.setUint16(16, EL.ET_DYN, true);
  view.setUint16(18, EL.EM_X86_64, true);
  view.setUint32(20, 1, true);
  view.setUint32(32, 64, true); // e_phoff
  view.setUint16(52, 64, true); // e_ehsize
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 3, true); // e_phnum
  view.setUint16(58, 64, true); // e_shentsize
  const segment = (
    i: number,
    type: number,
    flags: number,
    at: number,
    size: number,
    to: number,
  ): void => {
    // prettier-ignore
    const ph = 64 + i * 56;
    put32(view, ph, [type, flags, at, 0, at, 0, at, 0, size, 0, size, 0, to, 0]);
  };
  segment(0, EL.PT_LOAD, EL.PF_R | EL.PF_X, 0, end, PAGE_SIZE);
  segment(1, EL.PT_DYNAMIC, EL.PF_R, dynamic, dynamicSize, 8);
  segment(2, EL.PT_NOTE, EL.PF_R, note, noteSize, 4);
}

/** An Elf64_Verdef with its one Elf64_Verdaux. */
function version(
  view: DataView,
  at: number,
  flags: number,
  index: number,
  name: string,
  string: number,
  next: number,
): void {
  view.setUint16(at, 1, true);
  view.setUint16(at + 2, flags, true);
  view.setUint16(at + 4, index, true);
  view.setUint16(at + 6, 1, true);
  put32(view, at + 8, [elf_hash(name), 20, next, string, 0]);
}
