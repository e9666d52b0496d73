;; jmp [rbx+rax*8]; 1: inc ecx; syscall
(module
  (type 0 (func (param i64 i32 i32) (result i32)))
  (type 1 (func (param i32 i32 i32 i32) (result i32)))
  (type 2 (func (param i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 151 65536))
  (import "tier0" "h:link_to" (func (type 0)))
  (import "tier0" "h:interpret" (func (type 1)))
  (import "tier0" "h:exit_to" (func (type 0)))
  (import "tier0" "h:exit_to_record" (func (type 1)))
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
  (func (type 1)
    local 1 i32
    local 4 i64
    local 2 i32
    local 1 i64
    local.get 1
    i32.const 1
    i32.le_s
    if
      local.get 0
      local.get 1
      local.get 2
      local.get 0
      i32.load16_u align=1
      return_call 3
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
      i64.load align=1
      local.set 5
      i32.const 0
      i64.load offset=24 align=1
      local.set 6
      i32.const 0
      i64.load offset=32 align=1
      local.set 7
      block
        local.get 6
        local.get 5
        i64.const 3
        i64.shl
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
        local.set 11
        local.get 8
        i64.const 7
        i64.add
        local.get 9
        i64.load align=1
        i64.xor
        i64.const 4096
        i64.ge_u
        if
          br 1
        end
        local.get 10
        i64.load align=1
        local.set 8
        local.get 1
        i32.const -1
        i32.add
        local.set 1
        local.get 1
        i32.const -1640531535
        i32.mul
        i32.const 26
        i32.shr_u
        i32.eqz
        if
          local.get 8
          i32.wrap_i64
          i32.const 0
          i32.xor
          local.set 9
          global.get 6
          local.get 9
          i32.const 2
          i32.shl
          local.get 9
          i32.const 3
          i32.shr_u
          i32.xor
          i32.const 504
          i32.and
          i32.add
          local.get 8
          i64.const 281474976710655
          i64.and
          i64.const 0
          i64.or
          i64.store align=1
        end
        local.get 8
        local.get 1
        local.get 2
        return_call 0
      end
      global.get 4
      local.get 1
      local.get 2
      global.get 5
      return_call 3
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
    i32.const 1
    i32.le_s
    if
      local.get 0
      local.get 1
      local.get 2
      global.get 7
      return_call 1
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
