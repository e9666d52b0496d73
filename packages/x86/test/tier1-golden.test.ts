/** What tier 1 generates for some regions, as text in goldens/; `BLESS=1` takes what it generates now. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { printWat } from '@vitrine/wasm/wat.ts';
import { expect, test } from 'vitest';
import { TRAP_FUEL } from '../src/cpu.ts';
import { DATA, FlatMachine } from '../../../tests/cpu/flat.ts';

/** Name, source, and its machine code. Accesses of the last have extents at hand. */
const REGIONS = [
  ['array', 'mov ecx, 100; 1: mov rax, [rbx+rcx*8]; add rdx, rax; sub ecx, 1; jnz 1b; syscall', 'b964000000488b04cb4801c283e90175f40f05'],
  ['structure', 'mov rax, [rbx+8]; add rax, [rbx+16]; mov [rbx+8], rax; inc dword ptr [rbx]; syscall', '488b43084803431048894308ff030f05'],
  ['call', 'mov ecx, 9; 1: call 2f; dec ecx; jnz 1b; syscall; 2: lea rax, [rax+rax*2]; ret', 'b909000000e806000000ffc975f70f05488d0440c3'],
  ['flags', 'cmp rax, rbx; ja 1f; jb 2f; syscall; 1: inc eax; 2: adc rcx, 0; syscall', '4839d8770472040f05ffc04883d1000f05'],
  ['doubles', 'movsd xmm0, [rbx]; mulsd xmm0, xmm1; addsd xmm2, xmm0; ucomisd xmm2, xmm1; jbe 1f; movsd [rbx], xmm2; 1: syscall', 'f20f1003f20f59c1f20f58d0660f2ed17604f20f11130f05'],
  ['switch', 'jmp [rbx+rax*8]; 1: inc ecx; syscall', 'ff24c3ffc10f05'],
  ['head', 'xor edx, edx; 1: lea eax, [rdx+rcx]; test al, 1; jz 2f; add rsi, rax; 2: add edx, 1; cmp edx, 99; jne 1b; syscall', '31d28d040aa80174034801c683c20183fa6375ee0f05'],
  ['strip', 'mov ecx, 9; jmp 1f; 1: movsd xmm0, [rbx]; mulsd xmm0, xmm1; add rbx, 8; movsd [rbx-8], xmm0; dec ecx; jnz 1b; syscall', 'b909000000eb00f20f1003f20f59c14883c308f20f1143f8ffc975ec0f05'],
  ['extents', 'mov rax, [rbx]; mov [rbx+rax*8], rax; syscall', '488b03488904c30f05'],
] as const; // prettier-ignore

const FOLDER = fileURLToPath(new URL('goldens', import.meta.url));

test.each(REGIONS)('%s: %s', (name, source, hex) => {
  const texts: string[] = [];
  const dump = (_: number, bytes: Uint8Array): unknown => texts.push(printWat(bytes));
  const machine = new FlatMachine(64 * 2 ** 20, {
    threshold: 0,
    extents: name === 'extents',
    dump,
  });
  const { cpu } = machine.load(Buffer.from(hex, 'hex'));
  cpu.gpr[3] = BigInt(DATA);
  for (let trap = TRAP_FUEL; trap === TRAP_FUEL;) trap = cpu.run(1000);
  const text = `;; ${source}\n${texts[0]}\n`;
  const file = `${FOLDER}/${name}.wat`;
  if (process.env['BLESS'] === '1') {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, text);
  }
  expect(existsSync(file), `${file}: run with BLESS=1`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
});
