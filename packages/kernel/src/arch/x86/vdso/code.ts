import { PAGE_SIZE } from '../../../include/ram.ts';

/** Where the data page (the vvar page, just below the image) holds what the functions read, in bytes. */
export const VVAR_MONOTONIC = 0x80;
export const VVAR_REALTIME = 0x88;
export const VVAR_RAW = 0x90;
/** Not 0: the clock goes faster or slower than what RDTSC counts, and the kernel is asked (VDSO_CLOCKMODE_NONE). */
export const VVAR_ADJUSTED = 0x98;
/** Random bytes of another generation are not to be used; never 0. */
export const VVAR_GENERATION = 0xa0;

/** Machine code in the making: bytes, with short jumps to labels and RIP-relative reads of the data page. */
class Code {
  readonly bytes: number[] = [];
  private readonly start: number;
  private readonly labels = new Map<string, number>();
  private readonly jumps: { at: number; label: string }[] = [];

  /** @param start offset in the image of the first byte */
  constructor(start: number) {
    this.start = start;
  }

  /** Bytes in hexadecimal. */
  op(hex: string): this {
    for (const byte of hex.split(' ')) this.bytes.push(parseInt(byte, 16));
    return this;
  }

  /** An instruction that ends with the 32-bit displacement of a field of the data page. */
  vvar(hex: string, field: number): this {
    this.op(hex);
    const disp = field - PAGE_SIZE - (this.start + this.bytes.length + 4);
    for (let i = 0; i < 4; i++) this.bytes.push((disp >> (8 * i)) & 0xff);
    return this;
  }

  jump(opcode: string, label: string): this {
    this.op(opcode).bytes.push(0);
    this.jumps.push({ at: this.bytes.length - 1, label });
    return this;
  }

  /** To the label while the clock is being adjusted. */
  unlessSteady(label: string): this {
    this.op('83 3d'); // cmp dword [adjusted],0
    const disp = VVAR_ADJUSTED - PAGE_SIZE - (this.start + this.bytes.length + 5);
    for (let i = 0; i < 4; i++) this.bytes.push((disp >> (8 * i)) & 0xff);
    return this.op('00').jump('75', label); // jne
  }

  label(name: string): this {
    this.labels.set(name, this.bytes.length);
    return this;
  }

  /** The system call of that number, with the caller's arguments. */
  syscall(nr: number): this {
    return this.op(`b8 ${(nr & 0xff).toString(16)} ${(nr >> 8).toString(16)} 00 00`)
      .op('0f 05')
      .op('c3');
  }

  /** RAX becomes the nanoseconds that RDTSC counts. Spoils RDX. */
  rdtsc(): this {
    return this.op('0f 31').op('48 c1 e2 20').op('48 09 d0'); // rdtsc; shl rdx,32; or rax,rdx
  }

  /** RAX nanoseconds become RAX seconds and RDX nanoseconds. Spoils RCX. */
  seconds(): this {
    return this.op('31 d2').op('b9 00 ca 9a 3b').op('48 f7 f1'); // xor edx,edx; mov ecx,1e9; div rcx
  }

  done(): Uint8Array {
    for (const { at, label } of this.jumps)
      this.bytes[at] = (this.labels.get(label)! - at - 1) & 0xff;
    return Uint8Array.from(this.bytes);
  }
}

/** clock_gettime(edi, rsi). REALTIME, MONOTONIC, MONOTONIC_RAW and BOOTTIME are read here, others by the system call. */
const clock_gettime = (start: number): Uint8Array =>
  new Code(start)
    .op('83 ff 07') // cmp edi,7
    .jump('77', 'fallback') // ja
    .op('89 f9') // mov ecx,edi
    .op('b8 01 00 00 00') // mov eax,1
    .op('d3 e0') // shl eax,cl
    .op('a8 93') // test al: clocks 0, 1, 4, 7
    .jump('74', 'fallback') // jz
    .unlessSteady('fallback')
    .op('41 89 c0') // mov r8d,eax
    .rdtsc()
    .op('41 f6 c0 01') // test r8b,1: CLOCK_REALTIME
    .jump('75', 'real') // jnz
    .op('41 f6 c0 10') // test r8b,16: CLOCK_MONOTONIC_RAW
    .jump('75', 'raw') // jnz
    .vvar('48 03 05', VVAR_MONOTONIC) // add rax,[monotonic]
    .jump('eb', 'split') // jmp
    .label('real')
    .vvar('48 03 05', VVAR_REALTIME) // add rax,[realtime]
    .jump('eb', 'split') // jmp
    .label('raw')
    .vvar('48 03 05', VVAR_RAW) // add rax,[raw]
    .label('split')
    .seconds()
    .op('48 89 06') // mov [rsi],rax
    .op('48 89 56 08') // mov [rsi+8],rdx
    .op('31 c0') // xor eax,eax
    .op('c3') // ret
    .label('fallback')
    .syscall(228)
    .done();

/** gettimeofday(rdi, rsi). A time zone is asked of the kernel. */
const gettimeofday = (start: number): Uint8Array =>
  new Code(start)
    .op('48 85 f6') // test rsi,rsi
    .jump('75', 'fallback') // jnz
    .op('48 85 ff') // test rdi,rdi
    .jump('74', 'zero') // jz
    .unlessSteady('fallback')
    .rdtsc()
    .vvar('48 03 05', VVAR_REALTIME) // add rax,[realtime]
    .seconds()
    .op('48 89 07') // mov [rdi],rax
    .op('48 89 d0') // mov rax,rdx
    .op('31 d2') // xor edx,edx
    .op('b9 e8 03 00 00') // mov ecx,1000
    .op('48 f7 f1') // div rcx
    .op('48 89 47 08') // mov [rdi+8],rax
    .label('zero')
    .op('31 c0') // xor eax,eax
    .op('c3') // ret
    .label('fallback')
    .syscall(96)
    .done();

/** time(rdi). */
const time = (start: number): Uint8Array =>
  new Code(start)
    .unlessSteady('fallback')
    .rdtsc()
    .vvar('48 03 05', VVAR_REALTIME) // add rax,[realtime]
    .seconds()
    .op('48 85 ff') // test rdi,rdi
    .jump('74', 'end') // jz
    .op('48 89 07') // mov [rdi],rax
    .label('end')
    .op('c3') // ret
    .label('fallback')
    .syscall(201)
    .done();

/** getcpu(rdi, rsi): RDTSCP's ECX holds the processor below bit 12 and the node above. */
const getcpu = (start: number): Uint8Array =>
  new Code(start)
    .op('0f 01 f9') // rdtscp
    .op('48 85 ff') // test rdi,rdi
    .jump('74', 'node') // jz
    .op('89 c8') // mov eax,ecx
    .op('25 ff 0f 00 00') // and eax,0xfff
    .op('89 07') // mov [rdi],eax
    .label('node')
    .op('48 85 f6') // test rsi,rsi
    .jump('74', 'end') // jz
    .op('c1 e9 0c') // shr ecx,12
    .op('89 0e') // mov [rsi],ecx
    .label('end')
    .op('31 c0') // xor eax,eax
    .op('c3') // ret
    .done();

/**
 * getrandom(rdi, rsi, edx, rcx, r8): the state at rcx, of r8 bytes, holds 128 that the system call has given, from 128 on their
 * generation, how many were used, and whether a call is at work on them. Few bytes are taken from there, and cleared; the system
 * call gives many, and those that are asked for in a signal handler. A state of all ones' length asks how to map states.
 */
const getrandom = (start: number): Uint8Array =>
  new Code(start)
    .op('49 83 f8 ff') // cmp r8,-1
    .jump('75', 'check') // jne
    .op('89 d0') // mov eax,edx
    .op('48 09 f8') // or rax,rdi
    .op('48 09 f0') // or rax,rsi
    .jump('75', 'check') // jne
    .op('c7 01 90 00 00 00') // mov dword [rcx],144
    .op('c7 41 04 03 00 00 00') // mov dword [rcx+4],PROT_READ|PROT_WRITE
    .op('c7 41 08 28 00 00 00') // mov dword [rcx+8],MAP_ANONYMOUS|MAP_DROPPABLE
    .op('48 8d 79 0c') // lea rdi,[rcx+12]
    .op('b9 0d 00 00 00') // mov ecx,13
    .op('f3 ab') // rep stosd
    .op('c3') // ret
    .label('check')
    .op('89 c8') // mov eax,ecx
    .op('25 ff 0f 00 00') // and eax,0xfff
    .op('3d 70 0f 00 00') // cmp eax,4096-144
    .jump('76', 'inside') // jbe
    .op('48 c7 c0 f2 ff ff ff') // mov rax,-EFAULT
    .op('c3') // ret
    .label('inside')
    .op('f7 c2 f8 ff ff ff') // test edx,~7
    .jump('75', 'fallback') // jne
    .op('49 81 f8 90 00 00 00') // cmp r8,144
    .jump('75', 'fallback') // jne
    .op('89 f0') // mov eax,esi
    .op('48 85 f6') // test rsi,rsi
    .jump('74', 'end') // je
    .op('48 81 fe 80 00 00 00') // cmp rsi,128
    .jump('77', 'fallback') // ja
    .op('80 b9 89 00 00 00 00') // cmp byte [rcx+137],0
    .jump('74', 'begin') // je
    .label('fallback')
    .syscall(318)
    .label('end')
    .op('c3') // ret
    .label('begin')
    .op('c6 81 89 00 00 00 01') // mov byte [rcx+137],1
    .label('again')
    .vvar('4c 8b 0d', VVAR_GENERATION) // mov r9,[generation]
    .op('4c 39 89 80 00 00 00') // cmp [rcx+128],r9
    .jump('75', 'refill') // jne
    .op('44 0f b6 91 88 00 00 00') // movzx r10d,byte [rcx+136]
    .op('41 8d 04 32') // lea eax,[r10+rsi]
    .op('3d 80 00 00 00') // cmp eax,128
    .jump('76', 'copy') // jbe
    .label('refill')
    .op('57') // push rdi
    .op('56') // push rsi
    .op('51') // push rcx
    .op('48 89 cf') // mov rdi,rcx
    .op('be 80 00 00 00') // mov esi,128
    .op('b8 3e 01 00 00') // mov eax,318
    .op('0f 05') // syscall
    .op('59') // pop rcx
    .op('5e') // pop rsi
    .op('5f') // pop rdi
    .op('3d 80 00 00 00') // cmp eax,128
    .jump('75', 'failed') // jne
    .op('4c 89 89 80 00 00 00') // mov [rcx+128],r9
    .op('45 31 d2') // xor r10d,r10d
    .jump('eb', 'copy') // jmp
    .label('dropped') // the page was taken meanwhile, and what was copied may be zeros
    .op('89 c6') // mov esi,eax
    .op('48 29 c7') // sub rdi,rax
    .jump('eb', 'again') // jmp
    .label('failed')
    .op('c6 81 89 00 00 00 00') // mov byte [rcx+137],0
    .jump('eb', 'fallback') // jmp
    .label('copy')
    .op('4e 8d 04 11') // lea r8,[rcx+r10]
    .op('41 01 f2') // add r10d,esi
    .op('89 f0') // mov eax,esi
    .op('44 88 91 88 00 00 00') // mov [rcx+136],r10b
    .label('next')
    .op('45 8a 10') // mov r10b,[r8]
    .op('41 c6 00 00') // mov byte [r8],0
    .op('44 88 17') // mov [rdi],r10b
    .op('49 ff c0') // inc r8
    .op('48 ff c7') // inc rdi
    .op('ff ce') // dec esi
    .jump('75', 'next') // jne
    .vvar('4c 8b 0d', VVAR_GENERATION) // mov r9,[generation]
    .op('4c 39 89 80 00 00 00') // cmp [rcx+128],r9
    .jump('75', 'dropped') // jne
    .op('c6 81 89 00 00 00 00') // mov byte [rcx+137],0
    .op('c3') // ret
    .done();

const clock_getres = (start: number): Uint8Array => new Code(start).syscall(229).done();

/** The functions of the vDSO; each also has a weak name without the prefix. */
export const VDSO_FUNCTIONS: readonly (readonly [string, (start: number) => Uint8Array])[] = [
  ['__vdso_clock_gettime', clock_gettime],
  ['__vdso_gettimeofday', gettimeofday],
  ['__vdso_time', time],
  ['__vdso_getcpu', getcpu],
  ['__vdso_clock_getres', clock_getres],
  ['__vdso_getrandom', getrandom],
];
