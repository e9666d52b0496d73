;; mov ecx, 9; jmp 1f; 1: movsd xmm0, [rbx]; mulsd xmm0, xmm1; add rbx, 8; movsd [rbx-8], xmm0; dec ecx; jnz 1b; syscall
(module
  (type 0 (func (param i32 i32 i32 i32) (result i32)))
  (type 1 (func (param i32 i64 i64) (result i32)))
  (type 2 (func (param i32 i64 i64) (result i64)))
  (type 3 (func (param i64 i32 i32) (result i32)))
  (type 4 (func))
  (type 5 (func (param i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 151 65536))
  (import "tier0" "h:exit_to_record" (func (type 0)))
  (import "tier0" "h:kept_aux" (func (type 1)))
  (import "tier0" "h:kept_result" (func (type 2)))
  (import "tier0" "h:exit_with" (func (type 3)))
  (import "tier0" "h:interpret" (func (type 0)))
  (import "tier0" "h:exit_to" (func (type 3)))
  (import "tier0" "h:note_ordinary" (func (type 4)))
  (import "globals" "r4194311" (global i32))
  (import "globals" "o4194311" (global i32))
  (import "globals" "n0" (global i32))
  (import "globals" "r4194312" (global i32))
  (import "globals" "o4194312" (global i32))
  (import "globals" "h0.0" (global i32))
  (global (mut i32) (i32.const 0))
  (global (mut i32) (i32.const 1))
  (global (mut i32) (i32.const 2))
  (global (mut i32) (i32.const 3))
  (global (mut i32) (i32.const 4))
  (global (mut i32) (i32.const 5))
  (export "r0" (func 7))
  (export "e0.0" (func 8))
  (func (type 0)
    local 2 i32
    local 4 i64
    local 1 v128
    local 1 i64
    local 2 i32
    local 1 i64
    local 1 v128
    local 3 f64
    local 2 i64
    local 1 i32
    local 1 i64
    local 2 i32
    local 1 i64
    local 6 i32
    local 2 i64
    local 1 i32
    local 2 f64
    local 1 v128
    local 2 f64
    local 1 i64
    local 2 i32
    local 2 i64
    local 1 i32
    local 8 i64
    local.get 1
    i32.const 33
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
    call 6
    i32.const 0
    i64.const -6917529027641081856
    i64.store offset=2608 align=1
    i32.const 0
    i64.load offset=2608 align=1
    local.set 6
    block
      block
        br 0
      end
      i32.const 0
      i64.load offset=32 align=1
      local.set 7
      i64.const 9
      local.set 8
      local.get 1
      i32.const -2
      i32.add
      local.set 1
      i32.const 0
      local.get 8
      i64.store offset=8 align=1
      i32.const 0
      i64.load offset=24 align=1
      local.set 9
      i32.const 0
      v128.load offset=272 align=1
      local.set 10
      block
        block
          local.get 9
          local.set 11
          local.get 11
          i32.wrap_i64
          i32.const 8
          i32.shr_u
          i32.const 262128
          i32.and
          local.get 2
          i32.add
          local.set 12
          local.get 11
          i32.wrap_i64
          local.get 12
          i32.load offset=8 align=1
          i32.add
          local.set 13
          local.get 11
          local.set 14
          local.get 11
          i64.const 7
          i64.add
          local.get 12
          i64.load align=1
          i64.xor
          i64.const 4096
          i64.ge_u
          if
            br 1
          end
          local.get 13
          v128.load64_zero align=1
          local.set 15
          local.get 10
          f64x2.extract_lane 0
          local.set 16
          local.get 15
          f64x2.extract_lane 0
          local.set 17
          local.get 17
          local.get 16
          f64.mul
          local.set 18
          local.get 17
          i64.reinterpret_f64
          i64.const 1
          i64.shl
          local.get 6
          i64.add
          local.get 16
          i64.reinterpret_f64
          i64.const 1
          i64.shl
          local.get 6
          i64.add
          i64.or
          i32.const 0
          i64.load offset=2304 align=1
          i64.ge_u
          if
            local.get 17
            i64.reinterpret_f64
            i64.const 1
            i64.shl
            local.get 6
            i64.add
            i64.const 4611686018427387904
            i64.lt_u
            local.get 17
            f64.const 0
            f64.eq
            i32.or
            local.get 16
            i64.reinterpret_f64
            i64.const 1
            i64.shl
            local.get 6
            i64.add
            i64.const 4611686018427387904
            i64.lt_u
            local.get 16
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
              local.set 12
              local.get 12
              local.get 12
              i32.load offset=536 align=1
              i32.const 1
              i32.add
              i32.store offset=536 align=1
              global.get 6
              i32.const 16
              i32.add
              local.set 12
              local.get 12
              local.get 1
              local.get 2
              local.get 12
              i32.load16_u align=1
              i32.const 0
              local.get 15
              v128.store offset=256 align=1
              return_call 0
            end
          end
          local.get 18
          local.set 16
          local.get 9
          local.set 11
          local.get 11
          i64.const 8
          i64.add
          local.set 9
          local.get 11
          local.set 19
          i64.const 8
          local.set 20
          i32.const 4
          local.set 21
          local.get 9
          local.set 11
          local.get 11
          i64.const -8
          i64.add
          local.set 22
          local.get 22
          i32.wrap_i64
          i32.const 8
          i32.shr_u
          i32.const 262128
          i32.and
          local.get 2
          i32.add
          local.set 12
          local.get 22
          i32.wrap_i64
          local.get 12
          i32.load offset=8 align=1
          i32.add
          local.set 23
          local.get 22
          local.set 22
          local.get 11
          i64.const -1
          i64.add
          i64.const -4096
          i64.and
          local.get 12
          i64.load align=1
          i64.ne
          if
            br 1
          end
          local.get 23
          local.get 16
          f64.store align=1
          local.get 8
          i32.wrap_i64
          local.set 12
          local.get 12
          i32.const -1
          i32.add
          local.set 24
          local.get 24
          i64.extend_i32_u
          local.set 8
          local.get 19
          local.set 11
          local.get 20
          local.set 25
          local.get 11
          local.get 25
          i64.and
          local.get 11
          local.get 25
          i64.or
          local.get 11
          local.get 25
          i64.add
          i64.const -1
          i64.xor
          i64.and
          i64.or
          local.set 25
          local.get 12
          i64.extend_i32_u
          local.set 19
          local.get 25
          i64.const 32
          i64.shr_u
          i32.wrap_i64
          i32.const -1073741824
          i32.and
          local.get 25
          i32.wrap_i64
          i32.const 8
          i32.and
          i32.or
          i64.extend_i32_u
          local.set 20
          i32.const 23
          local.set 21
          local.get 1
          i32.const -6
          i32.add
          local.set 1
          local.get 15
          local.get 16
          f64x2.replace_lane 0
          local.set 15
          i32.const 0
          local.get 8
          i64.store offset=8 align=1
          i32.const 0
          local.get 9
          i64.store offset=24 align=1
          i32.const 0
          local.get 15
          v128.store offset=256 align=1
          i32.const 0
          local.get 19
          i64.store offset=176 align=1
          i32.const 0
          local.get 20
          i64.store offset=184 align=1
          i32.const 0
          local.get 21
          i32.store8 offset=832
          local.get 24
          i32.eqz
          i32.eqz
          if
            i32.const 0
            local.set 5
            loop
              i32.const 0
              i64.load offset=8 align=1
              local.set 8
              i32.const 0
              i64.load offset=24 align=1
              local.set 9
              i32.const 0
              i64.load offset=32 align=1
              local.set 7
              i32.const 2
              local.set 24
              i32.const 0
              local.set 12
              local.get 5
              if
                local.get 8
                i32.wrap_i64
                i32.const -1
                i32.add
                i32.const 0
                i32.shr_u
                local.set 26
                local.get 26
                i32.const 16384
                local.get 26
                i32.const 16384
                i32.lt_u
                select
                local.set 24
                local.get 24
                i32.const 16
                i32.lt_s
                if
                  i32.const 16384
                  local.set 24
                else
                  i64.const 0
                  local.set 25
                  local.get 25
                  local.get 9
                  i64.const 0
                  i64.shl
                  i64.add
                  local.set 11
                  local.get 11
                  i32.wrap_i64
                  i32.const 4095
                  i32.and
                  local.set 27
                  local.get 11
                  i32.wrap_i64
                  i32.const 8
                  i32.shr_u
                  i32.const 262128
                  i32.and
                  local.get 2
                  i32.add
                  local.set 28
                  local.get 28
                  i32.load offset=8 align=1
                  local.get 25
                  i32.wrap_i64
                  i32.add
                  local.set 29
                  local.get 24
                  local.set 30
                  local.get 30
                  i32.const 0
                  local.get 30
                  i32.const 0
                  i32.lt_s
                  select
                  local.get 24
                  local.get 11
                  i64.const 15
                  i64.add
                  i64.const -4096
                  i64.and
                  local.get 28
                  i64.load align=1
                  i64.ne
                  select
                  local.set 24
                  i32.const 4080
                  local.get 27
                  i32.const 4080
                  local.get 27
                  i32.const 4080
                  i32.lt_s
                  select
                  i32.sub
                  i32.const 8
                  i32.div_u
                  i32.const 1
                  i32.add
                  local.set 27
                  local.get 24
                  local.set 30
                  local.get 27
                  local.get 30
                  local.get 27
                  local.get 30
                  i32.lt_s
                  select
                  local.set 24
                  local.get 24
                  local.get 24
                  i32.const 4
                  i32.rem_s
                  i32.sub
                  local.set 30
                  local.get 30
                  i32.const 0
                  i32.gt_s
                  local.set 12
                  local.get 24
                  local.set 27
                  local.get 30
                  i32.const 1024
                  local.get 27
                  i32.const 4
                  local.get 27
                  select
                  local.get 27
                  i32.const 0
                  i32.lt_s
                  select
                  local.get 12
                  select
                  local.set 24
                end
              else
                i32.const 1
                local.set 5
              end
              local.get 1
              local.get 24
              i32.const 6
              i32.mul
              i32.sub
              local.set 27
              i32.const 25
              local.get 27
              local.get 27
              i32.const 25
              i32.lt_s
              select
              local.set 31
              local.get 12
              if
                i32.const 0
                v128.load offset=256 align=1
                local.set 15
                i32.const 0
                v128.load offset=272 align=1
                local.set 10
                i32.const 0
                i64.load offset=176 align=1
                local.set 19
                i32.const 0
                i64.load offset=184 align=1
                local.set 20
                i32.const 0
                i32.load8_u offset=832
                local.set 21
                i32.const 0
                local.get 10
                f64x2.extract_lane 0
                i64.reinterpret_f64
                i64.const 1
                i64.shl
                i64.const -6917529027641081856
                i64.add
                i64.store offset=2512 align=1
                i32.const 0
                i64.load offset=2512 align=1
                local.set 32
                loop
                  local.get 9
                  local.set 33
                  local.get 29
                  local.get 33
                  i32.wrap_i64
                  i32.add
                  i32.const -1024
                  i32.add
                  local.set 34
                  local.get 34
                  v128.load offset=1024 align=1
                  f64x2.extract_lane 0
                  local.set 16
                  local.get 10
                  f64x2.extract_lane 0
                  local.set 17
                  local.get 34
                  v128.load offset=1032 align=1
                  f64x2.extract_lane 0
                  local.set 35
                  local.get 34
                  v128.load offset=1040 align=1
                  f64x2.extract_lane 0
                  local.set 36
                  local.get 34
                  v128.load offset=1048 align=1
                  local.set 37
                  local.get 37
                  f64x2.extract_lane 0
                  local.set 38
                  local.get 38
                  local.get 17
                  f64.mul
                  local.set 39
                  local.get 33
                  i64.const 24
                  i64.add
                  local.set 40
                  local.get 8
                  i32.wrap_i64
                  i32.const -1
                  i32.add
                  i64.extend_i32_u
                  i32.wrap_i64
                  i32.const -1
                  i32.add
                  i64.extend_i32_u
                  i32.wrap_i64
                  i32.const -1
                  i32.add
                  i64.extend_i32_u
                  i32.wrap_i64
                  local.set 34
                  local.get 40
                  i64.const 8
                  i64.and
                  local.get 40
                  i64.const 8
                  i64.or
                  local.get 33
                  i64.const 32
                  i64.add
                  i64.const -1
                  i64.xor
                  i64.and
                  i64.or
                  local.set 40
                  local.get 1
                  local.set 41
                  local.get 16
                  i64.reinterpret_f64
                  i64.const 1
                  i64.shl
                  local.get 6
                  i64.add
                  local.get 32
                  i64.or
                  local.get 35
                  i64.reinterpret_f64
                  i64.const 1
                  i64.shl
                  local.get 6
                  i64.add
                  i64.or
                  local.get 36
                  i64.reinterpret_f64
                  i64.const 1
                  i64.shl
                  local.get 6
                  i64.add
                  i64.or
                  local.get 38
                  i64.reinterpret_f64
                  i64.const 1
                  i64.shl
                  local.get 6
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
                    local.get 6
                    i64.add
                    i64.const 4611686018427387904
                    i64.lt_u
                    local.get 16
                    f64.const 0
                    f64.eq
                    i32.or
                    local.get 17
                    i64.reinterpret_f64
                    i64.const 1
                    i64.shl
                    local.get 6
                    i64.add
                    i64.const 4611686018427387904
                    i64.lt_u
                    local.get 17
                    f64.const 0
                    f64.eq
                    i32.or
                    i32.and
                    local.get 35
                    i64.reinterpret_f64
                    i64.const 1
                    i64.shl
                    local.get 6
                    i64.add
                    i64.const 4611686018427387904
                    i64.lt_u
                    local.get 35
                    f64.const 0
                    f64.eq
                    i32.or
                    i32.and
                    local.get 36
                    i64.reinterpret_f64
                    i64.const 1
                    i64.shl
                    local.get 6
                    i64.add
                    i64.const 4611686018427387904
                    i64.lt_u
                    local.get 36
                    f64.const 0
                    f64.eq
                    i32.or
                    i32.and
                    local.get 38
                    i64.reinterpret_f64
                    i64.const 1
                    i64.shl
                    local.get 6
                    i64.add
                    i64.const 4611686018427387904
                    i64.lt_u
                    local.get 38
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
                      i32.const 23
                      local.set 21
                      i32.const 0
                      local.set 5
                      local.get 1
                      i32.const 25
                      i32.le_s
                      if
                        i64.const 4194312
                        local.get 1
                        local.get 2
                        i32.const 0
                        local.get 8
                        i64.store offset=8 align=1
                        i32.const 0
                        local.get 9
                        i64.store offset=24 align=1
                        i32.const 0
                        local.get 15
                        v128.store offset=256 align=1
                        i32.const 0
                        local.get 19
                        i64.store offset=176 align=1
                        i32.const 0
                        local.get 20
                        i64.store offset=184 align=1
                        i32.const 0
                        local.get 21
                        i32.store8 offset=832
                        return_call 5
                      end
                      i32.const 0
                      local.get 8
                      i64.store offset=8 align=1
                      i32.const 0
                      local.get 9
                      i64.store offset=24 align=1
                      i32.const 0
                      local.get 15
                      v128.store offset=256 align=1
                      i32.const 0
                      local.get 19
                      i64.store offset=176 align=1
                      i32.const 0
                      local.get 20
                      i64.store offset=184 align=1
                      i32.const 0
                      local.get 21
                      i32.store8 offset=832
                      br 4
                    end
                  end
                  local.get 29
                  local.get 33
                  i32.wrap_i64
                  i32.add
                  i32.const -2048
                  i32.add
                  local.set 42
                  local.get 42
                  local.get 16
                  local.get 17
                  f64.mul
                  f64.store offset=2048 align=1
                  local.get 42
                  local.get 35
                  local.get 17
                  f64.mul
                  f64.store offset=2056 align=1
                  local.get 42
                  local.get 36
                  local.get 17
                  f64.mul
                  f64.store offset=2064 align=1
                  local.get 42
                  local.get 39
                  f64.store offset=2072 align=1
                  local.get 37
                  local.get 39
                  f64x2.replace_lane 0
                  local.set 15
                  local.get 33
                  i64.const 32
                  i64.add
                  local.set 9
                  local.get 34
                  i64.extend_i32_u
                  local.set 19
                  local.get 40
                  i64.const 32
                  i64.shr_u
                  i32.wrap_i64
                  i32.const -1073741824
                  i32.and
                  local.get 40
                  i32.wrap_i64
                  i32.const 8
                  i32.and
                  i32.or
                  i64.extend_i32_u
                  local.set 20
                  i32.const 23
                  local.set 21
                  local.get 34
                  i32.const -1
                  i32.add
                  i64.extend_i32_u
                  local.set 8
                  local.get 41
                  i32.const -24
                  i32.add
                  local.set 1
                  local.get 1
                  local.get 31
                  i32.le_s
                  if
                    local.get 1
                    i32.const 25
                    i32.le_s
                    if
                      i64.const 4194312
                      local.get 1
                      local.get 2
                      i32.const 0
                      local.get 8
                      i64.store offset=8 align=1
                      i32.const 0
                      local.get 9
                      i64.store offset=24 align=1
                      i32.const 0
                      local.get 15
                      v128.store offset=256 align=1
                      i32.const 0
                      local.get 19
                      i64.store offset=176 align=1
                      i32.const 0
                      local.get 20
                      i64.store offset=184 align=1
                      i32.const 0
                      local.get 21
                      i32.store8 offset=832
                      return_call 5
                    end
                    i32.const 0
                    local.get 8
                    i64.store offset=8 align=1
                    i32.const 0
                    local.get 9
                    i64.store offset=24 align=1
                    i32.const 0
                    local.get 15
                    v128.store offset=256 align=1
                    i32.const 0
                    local.get 19
                    i64.store offset=176 align=1
                    i32.const 0
                    local.get 20
                    i64.store offset=184 align=1
                    i32.const 0
                    local.get 21
                    i32.store8 offset=832
                    br 3
                  end
                  br 0
                end
              end
              i32.const 0
              v128.load offset=256 align=1
              local.set 15
              i32.const 0
              v128.load offset=272 align=1
              local.set 10
              i32.const 0
              i64.load offset=176 align=1
              local.set 19
              i32.const 0
              i64.load offset=184 align=1
              local.set 20
              i32.const 0
              i32.load8_u offset=832
              local.set 21
              i32.const 0
              i64.const 0
              i64.store offset=2328 align=1
              i32.const 0
              i64.const 0
              i64.store offset=2360 align=1
              i32.const 0
              local.get 10
              f64x2.extract_lane 0
              i64.reinterpret_f64
              i64.const 1
              i64.shl
              i64.const -6917529027641081856
              i64.add
              i64.store offset=2512 align=1
              i32.const 0
              i64.load offset=2512 align=1
              local.set 43
              loop
                local.get 9
                local.set 40
                local.get 40
                i32.const 0
                i64.load offset=2320 align=1
                i64.sub
                i32.const 0
                i64.load offset=2328 align=1
                i64.ge_u
                if
                  local.get 40
                  i32.wrap_i64
                  i32.const 8
                  i32.shr_u
                  i32.const 262128
                  i32.and
                  local.get 2
                  i32.add
                  local.set 41
                  local.get 40
                  i64.const 15
                  i64.add
                  local.get 41
                  i64.load align=1
                  i64.xor
                  i64.const 4096
                  i64.ge_u
                  if
                    global.get 9
                    local.get 1
                    local.get 2
                    global.get 10
                    i32.const 0
                    local.get 8
                    i64.store offset=8 align=1
                    i32.const 0
                    local.get 9
                    i64.store offset=24 align=1
                    i32.const 0
                    local.get 15
                    v128.store offset=256 align=1
                    i32.const 0
                    local.get 19
                    i64.store offset=176 align=1
                    i32.const 0
                    local.get 20
                    i64.store offset=184 align=1
                    i32.const 0
                    local.get 21
                    i32.store8 offset=832
                    return_call 0
                  end
                  local.get 41
                  i32.load offset=8 align=1
                  local.set 41
                  i32.const 0
                  local.get 40
                  i64.const -4096
                  i64.and
                  i64.store offset=2320 align=1
                  i32.const 0
                  i64.const 4081
                  i64.store offset=2328 align=1
                  i32.const 0
                  local.get 41
                  i32.store offset=2336 align=1
                end
                local.get 40
                i32.wrap_i64
                i32.const 0
                i32.load offset=2336 align=1
                i32.add
                local.set 41
                local.get 40
                local.set 40
                local.get 41
                v128.load align=1
                local.set 15
                local.get 10
                f64x2.extract_lane 0
                local.set 39
                local.get 15
                f64x2.extract_lane 0
                local.set 17
                local.get 17
                local.get 39
                f64.mul
                local.set 36
                local.get 17
                i64.reinterpret_f64
                i64.const 1
                i64.shl
                local.get 6
                i64.add
                local.get 43
                i64.or
                i32.const 0
                i64.load offset=2304 align=1
                i64.ge_u
                if
                  local.get 17
                  i64.reinterpret_f64
                  i64.const 1
                  i64.shl
                  local.get 6
                  i64.add
                  i64.const 4611686018427387904
                  i64.lt_u
                  local.get 17
                  f64.const 0
                  f64.eq
                  i32.or
                  local.get 39
                  i64.reinterpret_f64
                  i64.const 1
                  i64.shl
                  local.get 6
                  i64.add
                  i64.const 4611686018427387904
                  i64.lt_u
                  local.get 39
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
                    local.set 34
                    local.get 34
                    local.get 34
                    i32.load offset=536 align=1
                    i32.const 1
                    i32.add
                    i32.store offset=536 align=1
                    global.get 9
                    i32.const 16
                    i32.add
                    local.set 34
                    local.get 34
                    local.get 1
                    local.get 2
                    local.get 34
                    i32.load16_u align=1
                    i32.const 0
                    local.get 8
                    i64.store offset=8 align=1
                    i32.const 0
                    local.get 9
                    i64.store offset=24 align=1
                    i32.const 0
                    local.get 15
                    v128.store offset=256 align=1
                    i32.const 0
                    local.get 19
                    i64.store offset=176 align=1
                    i32.const 0
                    local.get 20
                    i64.store offset=184 align=1
                    i32.const 0
                    local.get 21
                    i32.store8 offset=832
                    return_call 0
                  end
                end
                local.get 36
                local.set 39
                local.get 9
                local.set 33
                local.get 33
                i64.const 8
                i64.add
                local.set 9
                local.get 33
                local.set 19
                i64.const 8
                local.set 20
                i32.const 4
                local.set 21
                local.get 9
                local.set 33
                local.get 33
                i64.const -8
                i64.add
                local.set 44
                local.get 44
                i32.const 0
                i64.load offset=2352 align=1
                i64.sub
                i32.const 0
                i64.load offset=2360 align=1
                i64.ge_u
                if
                  local.get 44
                  i32.wrap_i64
                  i32.const 8
                  i32.shr_u
                  i32.const 262128
                  i32.and
                  local.get 2
                  i32.add
                  local.set 34
                  local.get 33
                  i64.const -1
                  i64.add
                  i64.const -4096
                  i64.and
                  local.get 34
                  i64.load align=1
                  i64.ne
                  if
                    global.get 9
                    i32.const 40
                    i32.add
                    local.set 42
                    local.get 42
                    i32.load16_u align=1
                    local.set 45
                    local.get 15
                    local.get 39
                    f64x2.replace_lane 0
                    local.set 15
                    local.get 42
                    local.get 1
                    local.get 2
                    local.get 45
                    i32.const 0
                    local.get 8
                    i64.store offset=8 align=1
                    i32.const 0
                    local.get 9
                    i64.store offset=24 align=1
                    i32.const 0
                    local.get 15
                    v128.store offset=256 align=1
                    i32.const 0
                    local.get 19
                    i64.store offset=176 align=1
                    i32.const 0
                    local.get 20
                    i64.store offset=184 align=1
                    i32.const 0
                    local.get 21
                    i32.store8 offset=832
                    return_call 0
                  end
                  local.get 34
                  i32.load offset=8 align=1
                  local.set 34
                  i32.const 0
                  local.get 44
                  i64.const -4096
                  i64.and
                  i64.store offset=2352 align=1
                  i32.const 0
                  i64.const 4089
                  i64.store offset=2360 align=1
                  i32.const 0
                  local.get 34
                  i32.store offset=2368 align=1
                end
                local.get 44
                i32.wrap_i64
                i32.const 0
                i32.load offset=2368 align=1
                i32.add
                local.set 34
                local.get 44
                local.set 44
                local.get 34
                local.get 39
                f64.store align=1
                local.get 8
                i32.wrap_i64
                local.set 45
                local.get 45
                i32.const -1
                i32.add
                local.set 42
                local.get 42
                i64.extend_i32_u
                local.set 8
                local.get 19
                local.set 33
                local.get 20
                local.set 46
                local.get 33
                local.get 46
                i64.and
                local.get 33
                local.get 46
                i64.or
                local.get 33
                local.get 46
                i64.add
                i64.const -1
                i64.xor
                i64.and
                i64.or
                local.set 46
                local.get 45
                i64.extend_i32_u
                local.set 19
                local.get 46
                i64.const 32
                i64.shr_u
                i32.wrap_i64
                i32.const -1073741824
                i32.and
                local.get 46
                i32.wrap_i64
                i32.const 8
                i32.and
                i32.or
                i64.extend_i32_u
                local.set 20
                i32.const 23
                local.set 21
                local.get 1
                i32.const -6
                i32.add
                local.set 1
                local.get 42
                i32.eqz
                i32.eqz
                if
                  local.get 15
                  local.get 39
                  f64x2.replace_lane 0
                  local.set 15
                  local.get 1
                  local.get 31
                  i32.le_s
                  if
                    local.get 1
                    i32.const 25
                    i32.le_s
                    if
                      i64.const 4194312
                      local.get 1
                      local.get 2
                      i32.const 0
                      local.get 8
                      i64.store offset=8 align=1
                      i32.const 0
                      local.get 9
                      i64.store offset=24 align=1
                      i32.const 0
                      local.get 15
                      v128.store offset=256 align=1
                      i32.const 0
                      local.get 19
                      i64.store offset=176 align=1
                      i32.const 0
                      local.get 20
                      i64.store offset=184 align=1
                      i32.const 0
                      local.get 21
                      i32.store8 offset=832
                      return_call 5
                    end
                    i32.const 0
                    local.get 8
                    i64.store offset=8 align=1
                    i32.const 0
                    local.get 9
                    i64.store offset=24 align=1
                    i32.const 0
                    local.get 15
                    v128.store offset=256 align=1
                    i32.const 0
                    local.get 19
                    i64.store offset=176 align=1
                    i32.const 0
                    local.get 20
                    i64.store offset=184 align=1
                    i32.const 0
                    local.get 21
                    i32.store8 offset=832
                    br 3
                  end
                  br 1
                end
                local.get 15
                local.get 39
                f64x2.replace_lane 0
                local.set 15
                i32.const 0
                local.get 8
                i64.store offset=8 align=1
                i32.const 0
                local.get 9
                i64.store offset=24 align=1
                i32.const 0
                local.get 15
                v128.store offset=256 align=1
                i32.const 0
                local.get 19
                i64.store offset=176 align=1
                i32.const 0
                local.get 20
                i64.store offset=184 align=1
                i32.const 0
                local.get 21
                i32.store8 offset=832
                br 4
              end
            end
          end
          br 1
        end
        global.get 6
        local.get 1
        local.get 2
        global.get 7
        return_call 0
      end
      i32.const 0
      i64.load offset=32 align=1
      local.set 7
      i32.const 0
      i64.load offset=176 align=1
      local.set 19
      i32.const 0
      i64.load offset=184 align=1
      local.set 20
      i32.const 0
      i32.load8_u offset=832
      local.set 21
      i32.const 0
      i32.load offset=196 align=1
      local.set 23
      local.get 19
      local.set 22
      local.get 20
      local.set 14
      local.get 21
      local.set 13
      local.get 19
      local.set 11
      local.get 20
      local.set 25
      local.get 21
      local.set 27
      local.get 19
      local.set 44
      local.get 20
      local.set 40
      local.get 21
      local.set 30
      local.get 19
      local.set 46
      local.get 20
      local.set 33
      local.get 21
      local.set 28
      local.get 19
      local.set 47
      local.get 20
      local.set 48
      local.get 21
      local.set 26
      local.get 19
      local.set 49
      local.get 20
      local.set 50
      local.get 21
      local.set 12
      local.get 19
      local.set 51
      local.get 20
      local.set 52
      local.get 21
      local.set 24
      local.get 21
      local.get 19
      local.get 20
      call 1
      local.set 34
      i64.const 4194334
      local.set 8
      local.get 23
      local.get 13
      local.get 22
      local.get 14
      call 1
      i32.const 31
      i32.shr_u
      local.get 27
      local.get 11
      local.get 25
      call 2
      i32.wrap_i64
      local.get 30
      local.get 44
      local.get 40
      call 1
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
      local.get 46
      local.get 33
      call 1
      i32.const 3
      i32.shr_u
      i32.const 1
      i32.and
      i32.const 4
      i32.shl
      local.get 26
      local.get 47
      local.get 48
      call 2
      i64.eqz
      i32.const 6
      i32.shl
      i32.or
      i32.or
      local.get 12
      local.get 49
      local.get 50
      call 2
      i64.const 63
      i64.shr_u
      i32.wrap_i64
      local.get 24
      local.get 51
      local.get 52
      call 1
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
      local.set 53
      local.get 1
      i32.const -1
      i32.add
      local.set 1
      i32.const 0
      local.get 8
      i64.store offset=8 align=1
      i32.const 0
      local.get 53
      i64.store offset=88 align=1
      i64.const 4194334
      local.get 1
      i32.const 2
      return_call 3
      unreachable
    end
    unreachable
  )
  (func (type 5)
    local 1 i32
    local.get 1
    i32.const 0
    i32.load offset=824 align=1
    i32.add
    local.tee 3
    i32.const 33
    i32.le_s
    if
      local.get 0
      local.get 1
      local.get 2
      global.get 11
      return_call 4
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
    return_call 7
  )
)
