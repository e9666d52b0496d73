;; mov rax, [rbx+8]; add rax, [rbx+16]; mov [rbx+8], rax; inc dword ptr [rbx]; syscall
(module
  (type 0 (func (param i32 i32 i32 i32) (result i32)))
  (type 1 (func (param i64 i32 i32) (result i32)))
  (type 2 (func (param i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 151 65536))
  (import "tier0" "h:exit_to_record" (func (type 0)))
  (import "tier0" "h:exit_with" (func (type 1)))
  (import "tier0" "h:interpret" (func (type 0)))
  (import "tier0" "h:exit_to" (func (type 1)))
  (import "globals" "r4194304" (global i32))
  (import "globals" "o4194304" (global i32))
  (import "globals" "n0" (global i32))
  (import "globals" "h0.0" (global i32))
  (global (mut i32) (i32.const 0))
  (global (mut i32) (i32.const 1))
  (global (mut i32) (i32.const 2))
  (global (mut i32) (i32.const 3))
  (export "r0" (func 4))
  (export "e0.0" (func 5))
  (func (type 0)
    local 1 i32
    local 4 i64
    local 2 i32
    local 3 i64
    local 1 i32
    local 2 i64
    local 5 i32
    local 1 i64
    local 1 i32
    local 3 i64
    local 2 i32
    local 2 i64
    local.get 1
    i32.const 5
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
      global.get 6
      global.get 6
      i32.load offset=512 align=1
      i32.const 64
      i32.add
      i32.store offset=512 align=1
    end
    block
      block
        br 0
      end
      i32.const 0
      i64.load offset=24 align=1
      local.set 5
      i32.const 0
      i64.load offset=32 align=1
      local.set 6
      block
        local.get 5
        local.set 7
        local.get 7
        i64.const 8
        i64.add
        local.set 8
        local.get 8
        i32.wrap_i64
        i32.const 8
        i32.shr_u
        i32.const 262128
        i32.and
        local.get 2
        i32.add
        local.set 9
        local.get 8
        i32.wrap_i64
        local.get 9
        i32.load offset=8 align=1
        i32.add
        local.set 10
        local.get 8
        local.set 8
        local.get 7
        i64.const 15
        i64.add
        i64.const -4096
        i64.and
        local.get 9
        i64.load align=1
        i64.ne
        if
          br 1
        end
        local.get 10
        i64.load align=1
        local.set 11
        local.get 11
        local.set 7
        local.get 5
        local.set 12
        local.get 12
        i64.const 16
        i64.add
        local.set 13
        local.get 10
        i32.const 8
        i32.add
        local.set 9
        local.get 12
        i64.const 23
        i64.add
        local.get 8
        i64.xor
        i64.const 4096
        i64.ge_u
        if
          local.get 13
          i32.wrap_i64
          i32.const 8
          i32.shr_u
          i32.const 262128
          i32.and
          local.get 2
          i32.add
          local.set 14
          local.get 12
          i64.const 23
          i64.add
          local.get 14
          i64.load align=1
          i64.xor
          i64.const 4096
          i64.ge_u
          if
            br 2
          end
          local.get 13
          i32.wrap_i64
          local.get 14
          i32.load offset=8 align=1
          i32.add
          local.set 9
        end
        local.get 9
        i64.load align=1
        local.set 13
        local.get 7
        local.get 13
        i64.add
        local.set 11
        local.get 7
        local.set 15
        local.get 13
        local.set 16
        i32.const 4
        local.set 17
        local.get 11
        local.set 13
        local.get 10
        local.set 14
        local.get 14
        local.get 13
        i64.store align=1
        local.get 5
        local.set 13
        local.get 10
        i32.const -8
        i32.add
        local.set 18
        local.get 13
        local.get 8
        i64.xor
        i64.const 4096
        i64.ge_u
        if
          local.get 13
          i32.wrap_i64
          i32.const 8
          i32.shr_u
          i32.const 262128
          i32.and
          local.get 2
          i32.add
          local.set 19
          local.get 13
          i64.const 3
          i64.add
          i64.const -4096
          i64.and
          local.get 19
          i64.load align=1
          i64.ne
          if
            global.get 4
            i32.const 48
            i32.add
            local.set 20
            local.get 20
            local.get 1
            local.get 2
            local.get 20
            i32.load16_u align=1
            i32.const 0
            local.get 11
            i64.store align=1
            i32.const 0
            local.get 15
            i64.store offset=176 align=1
            i32.const 0
            local.get 16
            i64.store offset=184 align=1
            i32.const 0
            local.get 17
            i32.store8 offset=832
            return_call 0
          end
          local.get 13
          i32.wrap_i64
          local.get 19
          i32.load offset=8 align=1
          i32.add
          local.set 18
        end
        local.get 18
        local.set 19
        local.get 19
        i32.load align=1
        local.set 20
        local.get 19
        local.get 20
        i32.const 1
        i32.add
        i32.store align=1
        local.get 15
        local.set 13
        local.get 16
        local.set 7
        local.get 13
        local.get 7
        i64.and
        local.get 13
        local.get 7
        i64.or
        local.get 13
        local.get 7
        i64.add
        i64.const -1
        i64.xor
        i64.and
        i64.or
        local.set 7
        local.get 20
        i64.extend_i32_u
        local.set 15
        local.get 7
        i64.const 32
        i64.shr_u
        i32.wrap_i64
        i32.const -1073741824
        i32.and
        local.get 7
        i32.wrap_i64
        i32.const 8
        i32.and
        i32.or
        i64.extend_i32_u
        local.set 16
        i32.const 19
        local.set 17
        i32.const 0
        i32.load offset=196 align=1
        local.set 20
        local.get 16
        local.set 7
        local.get 15
        i32.wrap_i64
        local.set 19
        local.get 19
        i32.const 1
        i32.and
        local.get 19
        i32.const 1
        i32.or
        local.get 19
        i32.const 1
        i32.add
        i32.const -1
        i32.xor
        i32.and
        i32.or
        i32.const -1073741816
        i32.and
        local.set 19
        local.get 15
        local.set 13
        local.get 16
        local.set 12
        local.get 15
        i32.wrap_i64
        local.set 21
        local.get 21
        i32.const 1
        i32.and
        local.get 21
        i32.const 1
        i32.or
        local.get 21
        i32.const 1
        i32.add
        i32.const -1
        i32.xor
        i32.and
        i32.or
        i32.const -1073741816
        i32.and
        local.set 21
        local.get 16
        local.set 22
        local.get 15
        i32.wrap_i64
        local.set 23
        local.get 23
        i32.const 1
        i32.and
        local.get 23
        i32.const 1
        i32.or
        local.get 23
        i32.const 1
        i32.add
        i32.const -1
        i32.xor
        i32.and
        i32.or
        i32.const -1073741816
        i32.and
        local.set 23
        local.get 15
        local.set 24
        local.get 15
        local.set 25
        local.get 16
        local.set 26
        local.get 15
        i32.wrap_i64
        local.set 27
        local.get 27
        i32.const 1
        i32.and
        local.get 27
        i32.const 1
        i32.or
        local.get 27
        i32.const 1
        i32.add
        i32.const -1
        i32.xor
        i32.and
        i32.or
        i32.const -1073741816
        i32.and
        local.set 27
        local.get 15
        i32.wrap_i64
        local.set 28
        local.get 28
        i32.const 1
        i32.and
        local.get 28
        i32.const 1
        i32.or
        local.get 28
        i32.const 1
        i32.add
        i32.const -1
        i32.xor
        i32.and
        i32.or
        i32.const -1073741816
        i32.and
        local.set 28
        local.get 28
        local.get 28
        local.get 16
        i32.wrap_i64
        i32.xor
        i32.const 31
        i32.shr_s
        i32.const -1073741824
        i32.and
        i32.xor
        local.set 28
        i64.const 4194320
        local.set 29
        local.get 20
        local.get 19
        local.get 19
        local.get 7
        i32.wrap_i64
        i32.xor
        i32.const 31
        i32.shr_s
        i32.const -1073741824
        i32.and
        i32.xor
        i32.const 31
        i32.shr_u
        local.get 13
        i32.wrap_i64
        i32.const 1
        i32.add
        i64.extend_i32_s
        i32.wrap_i64
        local.get 21
        local.get 21
        local.get 12
        i32.wrap_i64
        i32.xor
        i32.const 31
        i32.shr_s
        i32.const -1073741824
        i32.and
        i32.xor
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
        local.get 23
        local.get 23
        local.get 22
        i32.wrap_i64
        i32.xor
        i32.const 31
        i32.shr_s
        i32.const -1073741824
        i32.and
        i32.xor
        i32.const 3
        i32.shr_u
        i32.const 1
        i32.and
        i32.const 4
        i32.shl
        local.get 24
        i32.wrap_i64
        i32.const 1
        i32.add
        i64.extend_i32_s
        i64.eqz
        i32.const 6
        i32.shl
        i32.or
        i32.or
        local.get 25
        i32.wrap_i64
        i32.const 1
        i32.add
        i64.extend_i32_s
        i64.const 63
        i64.shr_u
        i32.wrap_i64
        local.get 27
        local.get 27
        local.get 26
        i32.wrap_i64
        i32.xor
        i32.const 31
        i32.shr_s
        i32.const -1073741824
        i32.and
        i32.xor
        i32.const 1
        i32.and
        i32.xor
        i32.const 7
        i32.shl
        local.get 28
        local.get 28
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
        local.set 30
        local.get 1
        i32.const -5
        i32.add
        local.set 1
        i32.const 0
        local.get 11
        i64.store align=1
        i32.const 0
        local.get 29
        i64.store offset=8 align=1
        i32.const 0
        local.get 30
        i64.store offset=88 align=1
        i32.const 0
        local.get 15
        i64.store offset=176 align=1
        i32.const 0
        local.get 16
        i64.store offset=184 align=1
        i32.const 0
        local.get 17
        i32.store8 offset=832
        i64.const 4194320
        local.get 1
        i32.const 2
        return_call 1
      end
      global.get 4
      local.get 1
      local.get 2
      global.get 5
      return_call 0
      unreachable
    end
    unreachable
  )
  (func (type 2)
    local 1 i32
    local.get 1
    i32.const 0
    i32.load offset=824 align=1
    i32.add
    local.tee 3
    i32.const 5
    i32.le_s
    if
      local.get 0
      local.get 1
      local.get 2
      global.get 7
      return_call 2
    end
    i32.const 0
    global.get 6
    i32.store offset=852 align=1
    i32.const 0
    local.get 1
    i32.store offset=828 align=1
    local.get 0
    local.get 3
    local.get 2
    i32.const 0
    return_call 4
  )
)
