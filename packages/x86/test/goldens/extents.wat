;; mov rax, [rbx]; mov [rbx+rax*8], rax; syscall
(module
  (type 0 (func (param i32 i32 i32 i32) (result i32)))
  (type 1 (func (param i32 i64 i64) (result i32)))
  (type 2 (func (param i32 i64 i64) (result i64)))
  (type 3 (func (param i64 i32 i32) (result i32)))
  (type 4 (func (param i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 151 65536))
  (import "tier0" "h:exit_to_record" (func (type 0)))
  (import "tier0" "h:kept_aux" (func (type 1)))
  (import "tier0" "h:kept_result" (func (type 2)))
  (import "tier0" "h:exit_with" (func (type 3)))
  (import "tier0" "h:interpret" (func (type 0)))
  (import "tier0" "h:exit_to" (func (type 3)))
  (import "globals" "r4194304" (global i32))
  (import "globals" "o4194304" (global i32))
  (import "globals" "n0" (global i32))
  (import "globals" "h0.0" (global i32))
  (global (mut i32) (i32.const 0))
  (global (mut i32) (i32.const 1))
  (global (mut i32) (i32.const 2))
  (global (mut i32) (i32.const 3))
  (export "r0" (func 6))
  (export "e0.0" (func 7))
  (func (type 0)
    local 1 i32
    local 4 i64
    local 1 i32
    local 2 i64
    local 3 i32
    local 3 i64
    local 3 i32
    local 2 i64
    local 1 i32
    local 2 i64
    local 1 i32
    local 2 i64
    local 1 i32
    local 2 i64
    local 1 i32
    local 2 i64
    local 1 i32
    local 2 i64
    local 2 i32
    local 2 i64
    local.get 1
    i32.const 3
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
      i32.const 0
      i64.load offset=176 align=1
      local.set 7
      i32.const 0
      i64.load offset=184 align=1
      local.set 8
      i32.const 0
      i32.load8_u offset=832
      local.set 9
      block
        local.get 5
        local.set 10
        i32.const 0
        i64.load offset=9820288 align=1
        local.set 11
        local.get 10
        i32.wrap_i64
        i32.const 0
        i32.load offset=9820304 align=1
        i32.add
        local.set 12
        local.get 10
        local.get 11
        i64.sub
        i32.const 0
        i64.load offset=9820296 align=1
        i64.ge_u
        if
          local.get 10
          i32.wrap_i64
          i32.const 8
          i32.shr_u
          i32.const 262128
          i32.and
          local.get 2
          i32.add
          local.set 13
          local.get 10
          i64.const 7
          i64.add
          local.get 13
          i64.load align=1
          i64.xor
          i64.const 4096
          i64.ge_u
          if
            br 2
          end
          local.get 10
          i32.wrap_i64
          local.get 13
          i32.load offset=8 align=1
          i32.add
          local.set 12
          i32.const 0
          i32.load offset=9820308 align=1
          i32.const -1
          i32.add
          local.set 13
          i32.const 0
          local.get 13
          i32.store offset=9820308 align=1
          local.get 13
          i32.const 0
          i32.lt_s
          if
            global.get 6
            local.set 14
            local.get 14
            local.get 14
            i32.load offset=544 align=1
            i32.const 0
            i32.load offset=9820312 align=1
            i32.add
            i32.store offset=544 align=1
            i32.const 0
            i32.const 9820288
            i32.store offset=2624 align=1
            i32.const 0
            local.get 10
            i64.store offset=2632 align=1
            global.get 4
            local.get 1
            local.get 2
            global.get 5
            return_call 0
          end
        end
        local.get 10
        local.set 10
        local.get 12
        i64.load align=1
        local.set 15
        local.get 15
        local.set 11
        local.get 5
        local.get 15
        i64.const 3
        i64.shl
        i64.add
        local.set 16
        i32.const 0
        i64.load offset=9801184 align=1
        local.set 17
        local.get 16
        i32.wrap_i64
        i32.const 0
        i32.load offset=9801200 align=1
        i32.add
        local.set 14
        local.get 16
        local.get 17
        i64.sub
        i32.const 0
        i64.load offset=9801192 align=1
        i64.ge_u
        if
          local.get 16
          i32.wrap_i64
          i32.const 8
          i32.shr_u
          i32.const 262128
          i32.and
          local.get 2
          i32.add
          local.set 18
          local.get 16
          i64.const 7
          i64.add
          i64.const -4096
          i64.and
          local.get 18
          i64.load align=1
          i64.ne
          if
            global.get 4
            i32.const 16
            i32.add
            local.set 19
            local.get 19
            local.get 1
            local.get 2
            local.get 19
            i32.load16_u align=1
            i32.const 0
            local.get 15
            i64.store align=1
            return_call 0
          end
          local.get 16
          i32.wrap_i64
          local.get 18
          i32.load offset=8 align=1
          i32.add
          local.set 14
          i32.const 0
          i32.load offset=9801204 align=1
          i32.const -1
          i32.add
          local.set 18
          i32.const 0
          local.get 18
          i32.store offset=9801204 align=1
          local.get 18
          i32.const 0
          i32.lt_s
          if
            global.get 6
            local.set 19
            local.get 19
            local.get 19
            i32.load offset=544 align=1
            i32.const 0
            i32.load offset=9801208 align=1
            i32.add
            i32.store offset=544 align=1
            i32.const 0
            i32.const 9801185
            i32.store offset=2624 align=1
            i32.const 0
            local.get 16
            i64.store offset=2632 align=1
            global.get 4
            i32.const 16
            i32.add
            local.set 19
            local.get 19
            local.get 1
            local.get 2
            local.get 19
            i32.load16_u align=1
            i32.const 0
            local.get 15
            i64.store align=1
            return_call 0
          end
        end
        local.get 16
        local.set 16
        local.get 14
        local.get 11
        i64.store align=1
        i32.const 0
        i32.load offset=196 align=1
        local.set 19
        local.get 7
        local.set 11
        local.get 8
        local.set 17
        local.get 9
        local.set 20
        local.get 7
        local.set 21
        local.get 8
        local.set 22
        local.get 9
        local.set 23
        local.get 7
        local.set 24
        local.get 8
        local.set 25
        local.get 9
        local.set 26
        local.get 7
        local.set 27
        local.get 8
        local.set 28
        local.get 9
        local.set 29
        local.get 7
        local.set 30
        local.get 8
        local.set 31
        local.get 9
        local.set 32
        local.get 7
        local.set 33
        local.get 8
        local.set 34
        local.get 9
        local.set 35
        local.get 7
        local.set 36
        local.get 8
        local.set 37
        local.get 9
        local.set 38
        local.get 9
        local.get 7
        local.get 8
        call 1
        local.set 39
        i64.const 4194313
        local.set 40
        local.get 19
        local.get 20
        local.get 11
        local.get 17
        call 1
        i32.const 31
        i32.shr_u
        local.get 23
        local.get 21
        local.get 22
        call 2
        i32.wrap_i64
        local.get 26
        local.get 24
        local.get 25
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
        local.get 29
        local.get 27
        local.get 28
        call 1
        i32.const 3
        i32.shr_u
        i32.const 1
        i32.and
        i32.const 4
        i32.shl
        local.get 32
        local.get 30
        local.get 31
        call 2
        i64.eqz
        i32.const 6
        i32.shl
        i32.or
        i32.or
        local.get 35
        local.get 33
        local.get 34
        call 2
        i64.const 63
        i64.shr_u
        i32.wrap_i64
        local.get 38
        local.get 36
        local.get 37
        call 1
        i32.const 1
        i32.and
        i32.xor
        i32.const 7
        i32.shl
        local.get 39
        local.get 39
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
        local.set 41
        local.get 1
        i32.const -3
        i32.add
        local.set 1
        i32.const 0
        local.get 15
        i64.store align=1
        i32.const 0
        local.get 40
        i64.store offset=8 align=1
        i32.const 0
        local.get 41
        i64.store offset=88 align=1
        i64.const 4194313
        local.get 1
        i32.const 2
        return_call 3
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
  (func (type 4)
    local 1 i32
    local.get 1
    i32.const 0
    i32.load offset=824 align=1
    i32.add
    local.tee 3
    i32.const 3
    i32.le_s
    if
      local.get 0
      local.get 1
      local.get 2
      global.get 7
      return_call 4
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
    return_call 6
  )
)
