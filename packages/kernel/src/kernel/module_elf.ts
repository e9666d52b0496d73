import { ENOEXEC } from '@vitrine/uapi/errno.ts';
import { errno } from '../include/errno.ts';
import type { ModuleSpec } from './module.ts';

/** The `.ko` files of this kernel's modules: relocatable ELF objects whose .modinfo section tells what they are. */

const ET_REL = 1;
const EM_X86_64 = 62;
const SHT_PROGBITS = 1;
const SHT_STRTAB = 3;
const SHF_ALLOC = 2;
const HEADER = 64;

/** What a module must have been built for. */
export const vermagic = (release: string): string => `${release} SMP preempt mod_unload `;

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

function modinfo(spec: ModuleSpec, release: string): string {
  const parms = spec.params.flatMap(({ name, type, description }) => [`parm=${name}:${description}`, `parmtype=${name}:${type}`]); // prettier-ignore
  return [
    ...spec.aliases.map((alias) => `alias=${alias}`),
    `license=${spec.license}`,
    `description=${spec.description}`,
    `author=${spec.author}`,
    ...parms,
    `depends=${spec.depends.join(',')}`,
    'intree=Y',
    `name=${spec.name}`,
    `vermagic=${vermagic(release)}`,
  ]
    .map((entry) => `${entry}\0`)
    .join('');
}

/** The file of a module. */
export function module_image(spec: ModuleSpec, release: string): Uint8Array {
  const names = '\0.modinfo\0.gnu.linkonce.this_module\0.shstrtab\0';
  const sections: readonly [name: string, type: number, flags: number, data: Uint8Array][] = [
    ['.modinfo', SHT_PROGBITS, SHF_ALLOC, bytesOf(modinfo(spec, release))],
    ['.gnu.linkonce.this_module', SHT_PROGBITS, SHF_ALLOC, bytesOf(spec.name.padEnd(64, '\0'))],
    ['.shstrtab', SHT_STRTAB, 0, bytesOf(names)],
  ];
  const size = sections.reduce((n, [, , , data]) => n + Math.ceil(data.length / 8) * 8, HEADER);
  const bytes = new Uint8Array(size + (sections.length + 1) * 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, ET_REL, true);
  view.setUint16(18, EM_X86_64, true);
  view.setUint32(20, 1, true);
  view.setUint32(40, size, true); // e_shoff
  view.setUint16(52, HEADER, true);
  view.setUint16(58, 64, true); // e_shentsize
  view.setUint16(60, sections.length + 1, true);
  view.setUint16(62, sections.length, true); // e_shstrndx
  let at = HEADER;
  sections.forEach(([name, type, flags, data], i) => {
    bytes.set(data, at);
    const header = size + (i + 1) * 64;
    view.setUint32(header, names.indexOf(`\0${name}\0`) + 1, true);
    view.setUint32(header + 4, type, true);
    view.setUint32(header + 8, flags, true);
    view.setUint32(header + 24, at, true);
    view.setUint32(header + 32, data.length, true);
    view.setUint32(header + 48, 8, true);
    at += Math.ceil(data.length / 8) * 8;
  });
  return bytes;
}

/** What init_module(2) needs of a file: its name and what it was built for. Throws ENOEXEC. */
export function parse_module(bytes: Uint8Array): { name: string; vermagic: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bad = (what: string): never => {
    throw errno(ENOEXEC, 'the module is not usable: {}', what);
  };
  if (bytes.length < HEADER || view.getUint32(0, false) !== 0x7f45_4c46) bad('it is no ELF file');
  if (bytes[4] !== 2 || view.getUint16(16, true) !== ET_REL || view.getUint16(18, true) !== EM_X86_64) bad('it is no relocatable object for x86-64'); // prettier-ignore
  const shoff = view.getUint32(40, true);
  const count = view.getUint16(60, true);
  const strings = view.getUint16(62, true);
  if (view.getUint16(58, true) !== 64 || shoff + count * 64 > bytes.length || strings >= count) bad('its section headers are outside the file'); // prettier-ignore
  const section = (i: number): { name: number; at: number; size: number } => {
    const header = shoff + i * 64;
    return { name: view.getUint32(header, true), at: view.getUint32(header + 24, true), size: view.getUint32(header + 32, true) }; // prettier-ignore
  };
  const text = (from: number, size: number): string =>
    from + size > bytes.length ? bad('a section is outside the file') : String.fromCharCode(...bytes.subarray(from, from + Math.min(size, 65536))); // prettier-ignore
  const table = section(strings);
  const names = text(table.at, table.size);
  for (let i = 1; i < count; i++) {
    const { name, at, size } = section(i);
    if (names.slice(name, names.indexOf('\0', name)) !== '.modinfo') continue;
    const info = new Map(text(at, size).split('\0').map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)])); // prettier-ignore
    return {
      name: info.get('name') ?? bad('.modinfo has no name'),
      vermagic: info.get('vermagic') ?? '',
    };
  }
  return bad('it has no section .modinfo');
}

/**
 * An index that libkmod reads (`modules.dep.bin`; libkmod/libkmod-index.c): a trie of names, each with values. Numbers are
 * big endian, and a node's offset says in its top bits what the node has.
 */
export function module_index(
  entries: readonly (readonly [name: string, value: string])[],
): Uint8Array {
  interface Node {
    readonly children: Map<number, Node>;
    readonly values: string[];
  }
  const root: Node = { children: new Map(), values: [] };
  for (const [name, value] of entries) {
    let node = root;
    for (let i = 0; i < name.length; i++) {
      const c = name.charCodeAt(i);
      let child = node.children.get(c);
      if (child === undefined) node.children.set(c, (child = { children: new Map(), values: [] }));
      node = child;
    }
    node.values.push(value);
  }
  const out: number[] = [];
  const word = (value: number): void => {
    out.push(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  };
  const write = (node: Node): number => {
    const codes = [...node.children.keys()].sort((a, b) => a - b);
    const first = codes[0] ?? 0;
    const last = codes.at(-1) ?? -1;
    const offsets: number[] = [];
    for (let c = first; c <= last; c++) {
      const child = node.children.get(c);
      offsets.push(child === undefined ? 0 : write(child));
    }
    let offset = out.length;
    if (codes.length > 0) {
      out.push(first, last);
      offsets.forEach(word);
      offset |= 0x2000_0000;
    }
    if (node.values.length > 0) {
      word(node.values.length);
      node.values.forEach((value, i) => {
        word(i);
        out.push(...bytesOf(value), 0);
      });
      offset |= 0x4000_0000;
    }
    return offset >>> 0;
  };
  word(0xb007_f457);
  word(0x0002_0001);
  word(0);
  const at = write(root);
  const bytes = Uint8Array.from(out);
  new DataView(bytes.buffer).setUint32(8, at, false);
  return bytes;
}
