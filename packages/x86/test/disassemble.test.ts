import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assemble } from '../../../tests/cpu/flat.ts';
import { disassemble } from '../src/disassemble.ts';

const SOURCE = `
add eax, ebx; add rax, [rbx+rcx*4+0x10]; mov byte ptr [rsp-1], 5; mov r8d, 0x12345678; movabs rax, 0x1122334455667788
lea rdi, [rsi+rsi*2]; push rbp; pop r12; imul rax, rbx, 100; movzx eax, byte ptr [r13+0]; movsx rcx, word ptr [r12]
movsxd rax, ecx; shl eax, 5; sar qword ptr [rdi], cl; ror r9b, 1; test al, 1; cmp word ptr [rax], 0x1234; not rdx; neg sil
cmovne rax, rcx; setg al; bswap rdx; cmpxchg [rdi], esi; lock xadd [rdi], rax; lock cmpxchg16b [rsi]; bt eax, 5; bsf rax, rdx
rep movsb; rep stosq; repnz scasb; repz cmpsd; cdqe; cqo; cwde; leave; ret; syscall; int3; cpuid; rdtsc; pause; endbr64
movups xmm1, [rax]; movaps [rsp+0x20], xmm9; movdqa xmm0, xmm15; pxor xmm0, xmm0; paddd xmm3, [rdi]; pshufd xmm1, xmm2, 0x1b
movd xmm0, eax; movq rax, xmm1; movss xmm0, [rax]; movsd [rax], xmm0; punpcklbw xmm0, xmm1; psrldq xmm0, 8; pmovmskb eax, xmm0
mov rax, fs:0x28; mov eax, gs:[rbx+4]; jmp rax; call [rax+8]; xchg rax, rbx; shld eax, ebx, 4; movnti [rax], rcx; div rcx; ud2
`;

test.skipIf(!existsSync('/usr/bin/objdump'))('prints what objdump prints', () => {
  const code = assemble(SOURCE.replaceAll('\n', ';'));
  const dir = mkdtempSync(join(tmpdir(), 'disassemble-'));
  writeFileSync(join(dir, 'code'), code);
  const args = [
    '-D',
    '-b',
    'binary',
    '-m',
    'i386:x86-64',
    '-M',
    'intel',
    '--no-show-raw-insn',
    join(dir, 'code'),
  ];
  const printed = execFileSync('objdump', args, { encoding: 'utf8' });
  rmSync(dir, { recursive: true });
  const expected = [...printed.matchAll(/^\s*[0-9a-f]+:\t(.*)$/gm)].map((m) => m[1]!);
  const ours: string[] = [];
  for (let at = 0; at < code.length;) {
    const { text, length } = disassemble(code, at, BigInt(at));
    ours.push(text);
    at += length;
  }
  const plain = (line: string): string =>
    line
      .replace(/\s+/g, ' ')
      .replace('+0x0]', ']')
      .replace('OWORD PTR ', '')
      .replace(/movabs/, 'mov')
      .replace(/(rep[nz]*) (movs|stos|scas|cmps)([bwdq]?) .*/, '$1 $2$3')
      .replace(/ (BYTE|WORD|DWORD|QWORD|XMMWORD) PTR (..:)?\[/, ' $2[')
      .replace(/(movs|stos|scas|cmps)[bwdq]$/, '$1')
      .trim();
  // What follows UD2 is the linker's padding.
  const upToEnd = (lines: string[]): string[] =>
    lines.slice(0, lines.indexOf('ud2') + 1).map(plain);
  expect(upToEnd(ours)).toEqual(upToEnd(expected));
});

test('bytes that are no instruction', () => {
  expect(disassemble(Uint8Array.of(0x06), 0, 0n).text).toBe('(bad)');
  expect(disassemble(Uint8Array.of(0xf0, 0x01, 0xc0), 0, 0n).text).toBe('(bad)');
  expect(disassemble(Uint8Array.of(0x48), 0, 0n).text).toBe('(bad)');
});
