;; movsd xmm0, [rbx]; mulsd xmm0, xmm1; addsd xmm2, xmm0; ucomisd xmm2, xmm1; jbe 1f; movsd [rbx], xmm2; 1: syscall
(module
  (type 0 (func (param i32 i32 i32 i32) (result i32)))
  (type 1 (func (param i64 i32 i32) (result i32)))
  (type 2 (func))
  (type 3 (func (param i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 151 65536))
  (import "tier0" "h:exit_to_record" (func (type 0)))
  (import "tier0" "h:exit_with" (func (type 1)))
  (import "tier0" "h:interpret" (func (type 0)))
  (import "tier0" "h:exit_to" (func (type 1)))
  (import "tier0" "h:note_ordinary" (func (type 2)))
  (import "globals" "r4194304" (global i32))
  (import "globals" "o4194304" (global i32))
  (import "globals" "n0" (global i32))
  (import "globals" "r4194322" (global i32))
  (import "globals" "o4194322" (global i32))
  (import "globals" "h0.0" (global i32))
  (global (mut i32) (i32.const 0))
  (global (mut i32) (i32.const 1))
  (global (mut i32) (i32.const 2))
  (global (mut i32) (i32.const 3))
  (global (mut i32) (i32.const 4))
  (global (mut i32) (i32.const 5))
  (export "r0" (func 5))
  (export "e0.0" (func 6))
  (func (type 0)
    local 1 i32
    local 3 i64
    local 2 v128
    local 1 i64
    local 2 i32
    local 1 i64
    local 1 v128
    local 5 f64
    local 1 i32
    local 2 i64
    local 6 i32
    local 2 i64
    local 4 i32
    local 2 i64
    local 1 v128
    local 1 i64
    local 1 i32
    local.get 1
    i32.const 7
    i32.le_s
    if
      local.get 0
      local.get 1
      local.get 2
      local.get 0
      i32.load16_u align=1
      return_call 0
    end
    local.get 1
    i32.const -1640531535
    i32.mul
    i32.const 26
    i32.shr_u
    i32.eqz
    if
      global.get 8
      global.get 8
      i32.load offset=512 align=1
      i32.const 64
      i32.add
      i32.store offset=512 align=1
    end
    call 4
    i32.const 0
    i64.const -6917529027641081856
    i64.store offset=2608 align=1
    i32.const 0
    i64.load offset=2608 align=1
    local.set 5
    block
      block
        br 0
      end
      i32.const 0
      i64.load offset=24 align=1
      local.set 6
      i32.const 0
      i64.load offset=32 align=1
      local.set 7
      i32.const 0
      v128.load offset=272 align=1
      local.set 8
      i32.const 0
      v128.load offset=288 align=1
      local.set 9
      block
        local.get 6
        local.set 10
        local.get 10
        i32.wrap_i64
        i32.const 8
        i32.shr_u
        i32.const 262128
        i32.and
        local.get 2
        i32.add
        local.set 11
        local.get 10
        i32.wrap_i64
        local.get 11
        i32.load offset=8 align=1
        i32.add
        local.set 12
        local.get 10
        local.set 13
        local.get 10
        i64.const 7
        i64.add
        local.get 11
        i64.load align=1
        i64.xor
        i64.const 4096
        i64.ge_u
        if
          br 1
        end
        local.get 12
        v128.load64_zero align=1
        local.set 14
        local.get 8
        f64x2.extract_lane 0
        local.set 15
        local.get 14
        f64x2.extract_lane 0
        local.set 16
        local.get 16
        local.get 15
        f64.mul
        local.set 17
        local.get 16
        i64.reinterpret_f64
        i64.const 1
        i64.shl
        local.get 5
        i64.add
        local.get 15
        i64.reinterpret_f64
        i64.const 1
        i64.shl
        local.get 5
        i64.add
        i64.or
        i32.const 0
        i64.load offset=2304 align=1
        i64.ge_u
        if
          local.get 16
          i64.reinterpret_f64
          i64.const 1
          i64.shl
          local.get 5
          i64.add
          i64.const 4611686018427387904
          i64.lt_u
          local.get 16
          f64.const 0
          f64.eq
          i32.or
          local.get 15
          i64.reinterpret_f64
          i64.const 1
          i64.shl
          local.get 5
          i64.add
          i64.const 4611686018427387904
          i64.lt_u
          local.get 15
          f64.const 0
          f64.eq
          i32.or
          i32.and
          i32.eqz
          i32.const 0
          i32.load offset=2312 align=1
          i32.eqz
          i32.or
          if
            global.get 8
            local.set 11
            local.get 11
            local.get 11
            i32.load offset=536 align=1
            i32.const 1
            i32.add
            i32.store offset=536 align=1
            global.get 6
            i32.const 16
            i32.add
            local.set 11
            local.get 11
            local.get 1
            local.get 2
            local.get 11
            i32.load16_u align=1
            i32.const 0
            local.get 14
            v128.store offset=256 align=1
            return_call 0
          end
        end
        local.get 17
        local.set 16
        local.get 9
        f64x2.extract_lane 0
        local.set 18
        local.get 18
        local.get 16
        f64.add
        local.set 19
        local.get 18
        i64.reinterpret_f64
        i64.const 1
        i64.shl
        local.get 5
        i64.add
        i32.const 0
        i64.load offset=2304 align=1
        i64.ge_u
        if
          local.get 18
          i64.reinterpret_f64
          i64.const 1
          i64.shl
          local.get 5
          i64.add
          i64.const 4611686018427387904
          i64.lt_u
          local.get 18
          f64.const 0
          f64.eq
          i32.or
          i32.eqz
          i32.const 0
          i32.load offset=2312 align=1
          i32.eqz
          i32.or
          if
            global.get 8
            local.set 11
            local.get 11
            local.get 11
            i32.load offset=536 align=1
            i32.const 1
            i32.add
            i32.store offset=536 align=1
            global.get 6
            i32.const 24
            i32.add
            local.set 11
            local.get 11
            i32.load16_u align=1
            local.set 20
            local.get 14
            local.get 16
            f64x2.replace_lane 0
            local.set 14
            local.get 11
            local.get 1
            local.get 2
            local.get 20
            i32.const 0
            local.get 14
            v128.store offset=256 align=1
            return_call 0
          end
        end
        local.get 19
        local.set 18
        local.get 18
        local.get 15
        f64.eq
        i32.const 6
        i32.shl
        local.get 18
        local.get 15
        f64.lt
        i32.or
        local.set 20
        local.get 20
        i64.extend_i32_u
        local.set 21
        local.get 20
        i32.const 31
        i32.shl
        i64.extend_i32_u
        local.set 22
        i32.const 15
        local.set 23
        local.get 1
        i32.const -5
        i32.add
        local.set 1
        local.get 14
        local.get 16
        f64x2.replace_lane 0
        local.set 14
        local.get 9
        local.get 18
        f64x2.replace_lane 0
        local.set 9
        i32.const 0
        local.get 14
        v128.store offset=256 align=1
        i32.const 0
        local.get 9
        v128.store offset=288 align=1
        i32.const 0
        local.get 21
        i64.store offset=176 align=1
        i32.const 0
        local.get 22
        i64.store offset=184 align=1
        i32.const 0
        local.get 23
        i32.store8 offset=832
        local.get 18
        local.get 15
        f64.gt
        i32.eqz
        if
          i32.const 0
          i32.load offset=196 align=1
          local.set 20
          local.get 21
          i32.wrap_i64
          local.set 11
          local.get 11
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 24
          local.get 21
          local.set 10
          local.get 21
          i32.wrap_i64
          local.set 25
          local.get 25
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 26
          local.get 21
          i32.wrap_i64
          local.set 27
          local.get 27
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 28
          local.get 21
          local.set 29
          local.get 21
          local.set 30
          local.get 21
          i32.wrap_i64
          local.set 31
          local.get 31
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 32
          local.get 21
          i32.wrap_i64
          local.set 33
          local.get 33
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 34
          local.get 34
          i32.const 31
          i32.shl
          local.get 33
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 34
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 33
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 33
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 33
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 33
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          local.set 33
          i64.const 4194328
          local.set 35
          local.get 20
          local.get 24
          i32.const 31
          i32.shl
          local.get 11
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 24
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 11
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 11
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 11
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 11
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 31
          i32.shr_u
          local.get 10
          i32.wrap_i64
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i64.extend_i32_u
          i32.wrap_i64
          local.get 26
          i32.const 31
          i32.shl
          local.get 25
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 26
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 25
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 25
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 25
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 25
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 8
          i32.shr_u
          i32.xor
          i32.const 255
          i32.and
          i32.popcnt
          i32.const -1
          i32.xor
          i32.const 1
          i32.and
          i32.const 2
          i32.shl
          i32.or
          local.get 28
          i32.const 31
          i32.shl
          local.get 27
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 28
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 27
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 27
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 27
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 27
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 3
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 4
          i32.shl
          local.get 29
          i32.wrap_i64
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i64.extend_i32_u
          i64.eqz
          i32.const 6
          i32.shl
          i32.or
          i32.or
          local.get 30
          i32.wrap_i64
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i64.extend_i32_u
          i64.const 63
          i64.shr_u
          i32.wrap_i64
          local.get 32
          i32.const 31
          i32.shl
          local.get 31
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 32
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 31
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 31
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 31
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 31
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 1
          i32.and
          i32.xor
          i32.const 7
          i32.shl
          local.get 33
          local.get 33
          i32.const 1
          i32.shl
          i32.xor
          i32.const 31
          i32.shr_u
          i32.const 11
          i32.shl
          i32.or
          i32.or
          i32.or
          i64.extend_i32_u
          local.set 36
          local.get 1
          i32.const -1
          i32.add
          local.set 1
          i32.const 0
          local.get 35
          i64.store offset=8 align=1
          i32.const 0
          local.get 36
          i64.store offset=88 align=1
          i64.const 4194328
          local.get 1
          i32.const 2
          return_call 1
        end
        block
          local.get 9
          local.set 37
          local.get 6
          local.set 30
          local.get 30
          i32.wrap_i64
          i32.const 8
          i32.shr_u
          i32.const 262128
          i32.and
          local.get 2
          i32.add
          local.set 33
          local.get 30
          i32.wrap_i64
          local.get 33
          i32.load offset=8 align=1
          i32.add
          local.set 31
          local.get 30
          local.set 29
          local.get 30
          i64.const 7
          i64.add
          i64.const -4096
          i64.and
          local.get 33
          i64.load align=1
          i64.ne
          if
            br 1
          end
          local.get 31
          local.get 37
          i64x2.extract_lane 0
          i64.store align=1
          i32.const 0
          i32.load offset=196 align=1
          local.set 33
          local.get 21
          i32.wrap_i64
          local.set 32
          local.get 32
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 27
          local.get 21
          local.set 30
          local.get 21
          i32.wrap_i64
          local.set 28
          local.get 28
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 25
          local.get 21
          i32.wrap_i64
          local.set 26
          local.get 26
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 11
          local.get 21
          local.set 10
          local.get 21
          local.set 38
          local.get 21
          i32.wrap_i64
          local.set 24
          local.get 24
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 20
          local.get 21
          i32.wrap_i64
          local.set 34
          local.get 34
          i32.const 0
          i32.shr_u
          i32.const 1
          i32.and
          local.set 39
          local.get 39
          i32.const 31
          i32.shl
          local.get 34
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 39
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 34
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 34
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 34
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 34
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          local.set 34
          i64.const 4194328
          local.set 35
          local.get 33
          local.get 27
          i32.const 31
          i32.shl
          local.get 32
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 27
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 32
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 32
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 32
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 32
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 31
          i32.shr_u
          local.get 30
          i32.wrap_i64
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i64.extend_i32_u
          i32.wrap_i64
          local.get 25
          i32.const 31
          i32.shl
          local.get 28
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 25
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 28
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 28
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 28
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 28
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 8
          i32.shr_u
          i32.xor
          i32.const 255
          i32.and
          i32.popcnt
          i32.const -1
          i32.xor
          i32.const 1
          i32.and
          i32.const 2
          i32.shl
          i32.or
          local.get 11
          i32.const 31
          i32.shl
          local.get 26
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 11
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 26
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 26
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 26
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 26
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 3
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 4
          i32.shl
          local.get 10
          i32.wrap_i64
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i64.extend_i32_u
          i64.eqz
          i32.const 6
          i32.shl
          i32.or
          i32.or
          local.get 38
          i32.wrap_i64
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i64.extend_i32_u
          i64.const 63
          i64.shr_u
          i32.wrap_i64
          local.get 20
          i32.const 31
          i32.shl
          local.get 24
          i32.const 11
          i32.shr_u
          i32.const 1
          i32.and
          local.get 20
          i32.xor
          i32.const 30
          i32.shl
          i32.or
          local.get 24
          i32.const 4
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 3
          i32.shl
          i32.or
          local.get 24
          i32.const 2
          i32.shr_u
          i32.const 1
          i32.and
          local.get 24
          i32.const 6
          i32.shr_u
          i32.const 1
          i32.and
          i32.const 1
          i32.xor
          i32.xor
          i32.const 1
          i32.xor
          i32.const 8
          i32.shl
          local.get 24
          i32.const 7
          i32.shr_u
          i32.const 1
          i32.and
          i32.or
          i32.or
          i32.const 1
          i32.and
          i32.xor
          i32.const 7
          i32.shl
          local.get 34
          local.get 34
          i32.const 1
          i32.shl
          i32.xor
          i32.const 31
          i32.shr_u
          i32.const 11
          i32.shl
          i32.or
          i32.or
          i32.or
          i64.extend_i32_u
          local.set 36
          local.get 1
          i32.const -2
          i32.add
          local.set 1
          i32.const 0
          local.get 35
          i64.store offset=8 align=1
          i32.const 0
          local.get 36
          i64.store offset=88 align=1
          i64.const 4194328
          local.get 1
          i32.const 2
          return_call 1
        end
        global.get 9
        local.get 1
        local.get 2
        global.get 10
        return_call 0
      end
      global.get 6
      local.get 1
      local.get 2
      global.get 7
      return_call 0
      unreachable
    end
    unreachable
  )
  (func (type 3)
    local 1 i32
    local.get 1
    i32.const 0
    i32.load offset=824 align=1
    i32.add
    local.tee 3
    i32.const 7
    i32.le_s
    if
      local.get 0
      local.get 1
      local.get 2
      global.get 11
      return_call 2
    end
    i32.const 0
    global.get 8
    i32.store offset=852 align=1
    i32.const 0
    local.get 1
    i32.store offset=828 align=1
    local.get 0
    local.get 3
    local.get 2
    i32.const 0
    return_call 5
  )
)
