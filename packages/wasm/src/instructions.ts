/**
 * The WebAssembly instructions this project emits: one line each, `opcode name signature immediates`.
 *
 * Opcodes are hexadecimal (two bytes for the prefixed spaces FC and FD, whose second number is LEB128 in the binary).
 * A signature is `params:results` in the letters i (i32), I (i64), f (f32), F (f64), v (v128); `*` stands for what
 * only the context knows. Immediates: mN memory argument with natural alignment 2^N, L lane, LL sixteen lanes, the
 * rest as in the text format.
 */
const control = `
00 unreachable * -
01 nop : -
02 block * block
03 loop * block
04 if * block
05 else * -
0b end * -
0c br * label
0d br_if * label
0e br_table * labels
0f return * -
10 call * func
11 call_indirect * indirect
12 return_call * func
13 return_call_indirect * indirect
1a drop * -
1b select * -
20 local.get * local
21 local.set * local
22 local.tee * local
23 global.get * global
24 global.set * global
3f memory.size :i zero
40 memory.grow i:i zero
41 i32.const :i i32
42 i64.const :I i64
43 f32.const :f f32
44 f64.const :F f64
fc0a memory.copy iii: zero2
fc0b memory.fill iii: zero
`;

const memory = `
28 i32.load i:i m2
29 i64.load i:I m3
2a f32.load i:f m2
2b f64.load i:F m3
2c i32.load8_s i:i m0
2d i32.load8_u i:i m0
2e i32.load16_s i:i m1
2f i32.load16_u i:i m1
30 i64.load8_s i:I m0
31 i64.load8_u i:I m0
32 i64.load16_s i:I m1
33 i64.load16_u i:I m1
34 i64.load32_s i:I m2
35 i64.load32_u i:I m2
36 i32.store ii: m2
37 i64.store iI: m3
38 f32.store if: m2
39 f64.store iF: m3
3a i32.store8 ii: m0
3b i32.store16 ii: m1
3c i64.store8 iI: m0
3d i64.store16 iI: m1
3e i64.store32 iI: m2
fd00 v128.load i:v m4
fd01 v128.load8x8_s i:v m3
fd02 v128.load8x8_u i:v m3
fd03 v128.load16x4_s i:v m3
fd04 v128.load16x4_u i:v m3
fd05 v128.load32x2_s i:v m3
fd06 v128.load32x2_u i:v m3
fd07 v128.load8_splat i:v m0
fd08 v128.load16_splat i:v m1
fd09 v128.load32_splat i:v m2
fd0a v128.load64_splat i:v m3
fd0b v128.store iv: m4
fd5c v128.load32_zero i:v m2
fd5d v128.load64_zero i:v m3
`;

/** Families whose opcodes run consecutively: `first-opcode signature prefix names…`. */
const families = `
45 i:i i32 eqz
46 ii:i i32 eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u
50 I:i i64 eqz
51 II:i i64 eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u
5b ff:i f32 eq ne lt gt le ge
61 FF:i f64 eq ne lt gt le ge
67 i:i i32 clz ctz popcnt
6a ii:i i32 add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr
79 I:I i64 clz ctz popcnt
7c II:I i64 add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr
8b f:f f32 abs neg ceil floor trunc nearest sqrt
92 ff:f f32 add sub mul div min max copysign
99 F:F f64 abs neg ceil floor trunc nearest sqrt
a0 FF:F f64 add sub mul div min max copysign
a7 I:i i32 wrap_i64
a8 f:i i32 trunc_f32_s trunc_f32_u
aa F:i i32 trunc_f64_s trunc_f64_u
ac i:I i64 extend_i32_s extend_i32_u
ae f:I i64 trunc_f32_s trunc_f32_u
b0 F:I i64 trunc_f64_s trunc_f64_u
b2 i:f f32 convert_i32_s convert_i32_u
b4 I:f f32 convert_i64_s convert_i64_u
b6 F:f f32 demote_f64
b7 i:F f64 convert_i32_s convert_i32_u
b9 I:F f64 convert_i64_s convert_i64_u
bb f:F f64 promote_f32
bc f:i i32 reinterpret_f32
bd F:I i64 reinterpret_f64
be i:f f32 reinterpret_i32
bf I:F f64 reinterpret_i64
c0 i:i i32 extend8_s extend16_s
c2 I:I i64 extend8_s extend16_s extend32_s
fc00 f:i i32 trunc_sat_f32_s trunc_sat_f32_u
fc02 F:i i32 trunc_sat_f64_s trunc_sat_f64_u
fc04 f:I i64 trunc_sat_f32_s trunc_sat_f32_u
fc06 F:I i64 trunc_sat_f64_s trunc_sat_f64_u
fd0e vv:v i8x16 swizzle
fd0f i:v i8x16 splat
fd10 i:v i16x8 splat
fd11 i:v i32x4 splat
fd12 I:v i64x2 splat
fd13 f:v f32x4 splat
fd14 F:v f64x2 splat
fd23 vv:v i8x16 eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u
fd2d vv:v i16x8 eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u
fd37 vv:v i32x4 eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u
fd41 vv:v f32x4 eq ne lt gt le ge
fd47 vv:v f64x2 eq ne lt gt le ge
fd4d v:v v128 not
fd4e vv:v v128 and andnot or xor
fd52 vvv:v v128 bitselect
fd53 v:i v128 any_true
fd5e v:v f32x4 demote_f64x2_zero
fd5f v:v f64x2 promote_low_f32x4
fd60 v:v i8x16 abs neg popcnt
fd63 v:i i8x16 all_true bitmask
fd65 vv:v i8x16 narrow_i16x8_s narrow_i16x8_u
fd67 v:v f32x4 ceil floor trunc nearest
fd6b vi:v i8x16 shl shr_s shr_u
fd6e vv:v i8x16 add add_sat_s add_sat_u sub sub_sat_s sub_sat_u
fd74 v:v f64x2 ceil floor
fd76 vv:v i8x16 min_s min_u max_s max_u
fd7a v:v f64x2 trunc
fd7b vv:v i8x16 avgr_u
fd7c v:v i16x8 extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u
fd7e v:v i32x4 extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u
fd80 v:v i16x8 abs neg
fd82 vv:v i16x8 q15mulr_sat_s
fd83 v:i i16x8 all_true bitmask
fd85 vv:v i16x8 narrow_i32x4_s narrow_i32x4_u
fd87 v:v i16x8 extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u
fd8b vi:v i16x8 shl shr_s shr_u
fd8e vv:v i16x8 add add_sat_s add_sat_u sub sub_sat_s sub_sat_u
fd94 v:v f64x2 nearest
fd95 vv:v i16x8 mul min_s min_u max_s max_u
fd9b vv:v i16x8 avgr_u extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u
fda0 v:v i32x4 abs neg
fda3 v:i i32x4 all_true bitmask
fda7 v:v i32x4 extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u
fdab vi:v i32x4 shl shr_s shr_u
fdae vv:v i32x4 add
fdb1 vv:v i32x4 sub
fdb5 vv:v i32x4 mul min_s min_u max_s max_u dot_i16x8_s
fdbc vv:v i32x4 extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u
fdc0 v:v i64x2 abs neg
fdc3 v:i i64x2 all_true bitmask
fdc7 v:v i64x2 extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u
fdcb vi:v i64x2 shl shr_s shr_u
fdce vv:v i64x2 add
fdd1 vv:v i64x2 sub
fdd5 vv:v i64x2 mul eq ne lt_s gt_s le_s ge_s
fddc vv:v i64x2 extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u
fde0 v:v f32x4 abs neg
fde3 v:v f32x4 sqrt
fde4 vv:v f32x4 add sub mul div min max pmin pmax
fdec v:v f64x2 abs neg
fdef v:v f64x2 sqrt
fdf0 vv:v f64x2 add sub mul div min max pmin pmax
fdf8 v:v i32x4 trunc_sat_f32x4_s trunc_sat_f32x4_u
fdfa v:v f32x4 convert_i32x4_s convert_i32x4_u
fdfc v:v i32x4 trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero
fdfe v:v f64x2 convert_low_i32x4_s convert_low_i32x4_u
`;

const lanes = `
fd0c v128.const :v v128
fd0d i8x16.shuffle vv:v LL
fd15 i8x16.extract_lane_s v:i L
fd16 i8x16.extract_lane_u v:i L
fd17 i8x16.replace_lane vi:v L
fd18 i16x8.extract_lane_s v:i L
fd19 i16x8.extract_lane_u v:i L
fd1a i16x8.replace_lane vi:v L
fd1b i32x4.extract_lane v:i L
fd1c i32x4.replace_lane vi:v L
fd1d i64x2.extract_lane v:I L
fd1e i64x2.replace_lane vI:v L
fd1f f32x4.extract_lane v:f L
fd20 f32x4.replace_lane vf:v L
fd21 f64x2.extract_lane v:F L
fd22 f64x2.replace_lane vF:v L
`;

export type ValType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** How an instruction's immediate bytes are laid out; see the heading of this file. */
export type Immediate =
  | '-'
  | 'block'
  | 'label'
  | 'labels'
  | 'func'
  | 'indirect'
  | 'local'
  | 'global'
  | 'zero'
  | 'zero2'
  | 'i32'
  | 'i64'
  | 'f32'
  | 'f64'
  | 'v128'
  | 'mem'
  | 'L'
  | 'LL';

export interface Instruction {
  readonly name: string;
  /** 0 or the prefix byte FC / FD. */
  readonly prefix: number;
  readonly code: number;
  /** Undefined where only the context knows. */
  readonly params: readonly ValType[] | undefined;
  readonly result: ValType | undefined;
  readonly immediate: Immediate;
  /** log2 of the natural alignment of a memory instruction. */
  readonly align: number;
}

const letters: Record<string, ValType> = { i: 'i32', I: 'i64', f: 'f32', F: 'f64', v: 'v128' };

export const instructions: Map<string, Instruction> = new Map();
/** By prefix * 256 + code, for the printer. */
export const instructionByCode: Map<number, Instruction> = new Map();

function define(opcode: number, name: string, signature: string, immediate: string): void {
  const [params = '', results = ''] = signature.split(':');
  const isMemory = /^m\d$/.test(immediate);
  const row: Instruction = {
    name,
    prefix: opcode >> 8,
    code: opcode & 0xff,
    params: signature === '*' ? undefined : [...params].map((c) => letters[c]!),
    result: letters[results],
    immediate: isMemory ? 'mem' : (immediate as Immediate),
    align: isMemory ? Number(immediate[1]) : 0,
  };
  instructions.set(name, row);
  instructionByCode.set(row.prefix * 256 + row.code, row);
}

for (const line of (control + memory + lanes).split('\n')) {
  const [opcode, name, signature, immediate] = line.split(' ');
  if (immediate) define(parseInt(opcode!, 16), name!, signature!, immediate);
}
for (const line of families.split('\n')) {
  const [opcode, signature, prefix, ...names] = line.split(' ');
  names.forEach((name, i) =>
    define(parseInt(opcode!, 16) + i, `${prefix}.${name}`, signature!, '-'),
  );
}
