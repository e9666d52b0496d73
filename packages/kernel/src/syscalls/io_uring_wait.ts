import * as E from '@vitrine/uapi/errno.ts';
import { FUTEX_WAITV_MAX } from '@vitrine/uapi/futex.ts';
import { errno } from '../include/errno.ts';
import { uringOps } from '../fs/io_uring/request.ts';
import type { UringOp, UringRequest } from '../fs/io_uring/request.ts';
import * as U from '../fs/io_uring/uapi.ts';
import { futex_exit, futex_wait, futex_wait_multiple, futex_wake } from '../kernel/futex.ts';
import type { Task } from '../kernel/task.ts';
import { futex2Shared, readWaits } from './futex.ts';
import { sys_waitid } from './process.ts';

/** Operations of io_uring that wait for other programs: futexes and children (io_uring/futex.c, io_uring/waitid.c). */

// Fields of struct io_uring_sqe.
const FD = 4;
const ADDR2 = 8;
const ADDR = 16;
const LEN = 24;
const OP_FLAGS = 28;
const BUF_INDEX = 40;
const FILE_INDEX = 44;
const ADDR3 = 48;

/** A request does for futexes and children what a task does, and has the members that they look at. */
const asTask = (r: UringRequest): Task => r as unknown as Task;

function unused(ok: boolean): void {
  if (!ok) throw errno(E.EINVAL, 'io_uring: unused members are not 0, or a value is too large');
}

const wide = (r: UringRequest, at: number): bigint => r.view.getBigUint64(at, true);

function futexPrep(r: UringRequest): void {
  unused(r.u32(LEN) === 0 && r.u32(OP_FLAGS) === 0 && r.u16(BUF_INDEX) === 0 && r.u32(FILE_INDEX) === 0); // prettier-ignore
  futex2Shared(r.u32(FD), 'io_uring');
  unused(wide(r, ADDR2) <= 0xffff_ffffn && wide(r, ADDR3) <= 0xffff_ffffn);
}

const shared = (r: UringRequest): boolean => futex2Shared(r.u32(FD), 'io_uring');
const leaveFutex = (r: UringRequest): void => futex_exit(asTask(r));

const op = (code: number, run: UringOp['run'], more: Partial<UringOp>): void => {
  uringOps.set(code, { run, ...more });
};

op(
  U.IORING_OP_FUTEX_WAIT,
  (r) => futex_wait(asTask(r), r.u64(ADDR), shared(r), Number(wide(r, ADDR2)), Infinity, Number(wide(r, ADDR3)), false), // prettier-ignore
  { prep: futexPrep, leave: leaveFutex, counted: true },
);
op(
  U.IORING_OP_FUTEX_WAKE,
  (r) => {
    const count = Number(wide(r, ADDR2));
    return count === 0 ? 0 : futex_wake(asTask(r), r.u64(ADDR), shared(r), count, Number(wide(r, ADDR3))); // prettier-ignore
  },
  { prep: futexPrep },
);
op(
  U.IORING_OP_FUTEX_WAITV,
  (r) => {
    const waits = r.callState === null ? readWaits(asTask(r), r.u64(ADDR), r.u32(LEN), 'io_uring') : []; // prettier-ignore
    return futex_wait_multiple(asTask(r), waits, Infinity);
  },
  {
    prep(r) {
      unused(r.u32(FD) === 0 && r.u32(OP_FLAGS) === 0 && r.u16(BUF_INDEX) === 0 && r.u32(FILE_INDEX) === 0 && wide(r, ADDR2) === 0n && wide(r, ADDR3) === 0n); // prettier-ignore
      unused(r.u32(LEN) !== 0 && r.u32(LEN) <= FUTEX_WAITV_MAX);
      readWaits(asTask(r), r.u64(ADDR), r.u32(LEN), 'io_uring');
    },
    leave: leaveFutex,
    counted: true,
  },
);

op(
  U.IORING_OP_WAITID,
  (r) => sys_waitid(asTask(r), r.u32(LEN), r.i32(FD), r.u64(ADDR2), r.i32(FILE_INDEX), 0),
  {
    counted: true,
    prep(r) {
      unused(wide(r, ADDR) === 0n && r.u16(BUF_INDEX) === 0 && wide(r, ADDR3) === 0n && r.u32(OP_FLAGS) === 0); // prettier-ignore
    },
  },
);
