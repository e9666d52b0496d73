import { syscallTable, syscall_name } from '@vitrine/kernel/arch/x86/syscall_table.ts';
import type { Vmlinux as Kernel } from '@vitrine/kernel/init/main.ts';
import type { SigInfo } from '@vitrine/kernel/kernel/signal_struct.ts';
import type { Task } from '@vitrine/kernel/kernel/task.ts';
import { row, type SyscallRow } from '@vitrine/kernel/syscalls/row.ts';
import { hex } from '@vitrine/kernel/syscalls/kinds.ts';
import * as SIGNAL from '@vitrine/uapi/signal.ts';
import { __NR_rt_sigreturn } from '@vitrine/uapi/unistd.ts';
import { RAX, RSP } from '@vitrine/x86/cpu.ts';
import { errnoName } from '../errors.ts';
import { beginCall, type Call, finishArguments, knownArguments, resultText } from './args.ts';
import { ERROR_TEXT } from './errors.ts';
import { SI_CODES } from './structs.ts';
import { pointer, quote, signalText, sigsetText, STRING_LIMIT } from './values.ts';

/** Errors that never reach the program: the call will be made again. */
const RESTARTS: Readonly<Record<number, string>> = {
  512: 'ERESTARTSYS (To be restarted if SA_RESTART is set)',
  513: 'ERESTARTNOINTR (To be restarted)',
  514: 'ERESTARTNOHAND (To be restarted if no handler)',
  516: 'ERESTART_RESTARTBLOCK (Interrupted by signal)',
};

/** Offset of uc_sigmask in struct ucontext. */
const UC_SIGMASK = 296;

const NEVER_RETURN = new Set(['exit', 'exit_group']);
/** The result stands at this column, if the call is not longer. */
const COLUMN = 39;

/** Prints what the machine's processes do as strace -f prints it. */
class Strace {
  readonly #kernel: Kernel;
  readonly #write: (text: string) => void;
  /** Calls that have begun, by thread. */
  readonly #calls: Map<number, Call> = new Map();
  /** The thread whose call is printed in part. */
  #open: number | null = null;
  /** Threads whose line was interrupted by another's. */
  readonly #unfinished: Set<number> = new Set();
  readonly #seen: Set<number> = new Set();

  readonly #file: boolean;

  constructor(kernel: Kernel, write: (text: string) => void, file: boolean) {
    this.#kernel = kernel;
    this.#write = write;
    this.#file = file;
  }

  listen(): () => void {
    const { trace } = this.#kernel;
    const stops = [
      trace.sys_enter.on(({ pid, nr, args }) => this.#enter(pid, nr, args)),
      trace.sys_exit.on(({ pid, ret }) => this.#exit(pid, ret)),
      trace.signal_deliver.on(({ pid, info }) => this.#signal(pid, info as SigInfo)),
      trace.sched_process_exec.on(({ pid, filename }) => this.#exec(pid, filename)),
      trace.sched_process_exit.on(({ pid, code }) => this.#gone(pid, code)),
    ];
    return () => stops.forEach((stop) => stop());
  }

  /** `[pid  12] ` once there is more than one thread; in a file, always the number. */
  #prefix(pid: number): string {
    if (this.#file) return `${String(pid).padEnd(5)} `;
    return this.#seen.size > 1 ? `[pid ${String(pid).padStart(5)}] ` : '';
  }

  /** A line of another thread's begins: the one that is open is cut off. */
  #interrupt(): void {
    if (this.#open === null) return;
    this.#unfinished.add(this.#open);
    this.#write(' <unfinished ...>\n');
    this.#open = null;
  }

  #line(pid: number, text: string): void {
    this.#interrupt();
    this.#write(`${this.#prefix(pid)}${text}\n`);
  }

  #task(pid: number): Task | null {
    return this.#kernel.pids.find(pid)?.task ?? null;
  }

  #enter(pid: number, nr: number, args: readonly number[]): void {
    const task = this.#task(pid);
    if (task === null) return;
    this.#interrupt();
    this.#seen.add(pid);
    const call = beginCall(syscallTable[nr] ?? unknownRow(nr), args, task.mem);
    if (nr === __NR_rt_sigreturn) call.texts.push(this.#frameMask(task));
    this.#calls.set(pid, call);
    this.#open = pid;
    this.#write(`${this.#prefix(pid)}${call.row.name}(${knownArguments(call)}`);
    if (NEVER_RETURN.has(call.row.name)) {
      const length = call.row.name.length + 1 + knownArguments(call).length + 1;
      this.#write(`)${' '.repeat(Math.max(0, COLUMN - length))} = ?\n`);
      this.#open = null;
      this.#calls.delete(pid);
    }
  }

  /** rt_sigreturn(2) has no arguments but the frame on the stack: uc_sigmask in its ucontext. */
  #frameMask(task: Task): string {
    try {
      const stack = Number(this.#kernel.cpu.gpr[RSP]!);
      return `{mask=${sigsetText(task.mem.getBig(stack + UC_SIGMASK))}}`;
    } catch {
      return '{mask=?}';
    }
  }

  #exit(pid: number, ret: number): void {
    const call = this.#calls.get(pid);
    if (call === undefined) return;
    this.#calls.delete(pid);
    // It returns what the interrupted code had in RAX.
    if (call.row.nr === __NR_rt_sigreturn)
      ret = Number(BigInt.asIntN(64, this.#kernel.cpu.gpr[RAX]!));
    const rest = finishArguments(call, ret);
    let length = call.row.name.length + 1 + knownArguments(call).length + rest.length + 1;
    let text = '';
    if (this.#open === pid) this.#open = null;
    else {
      this.#interrupt();
      this.#unfinished.delete(pid);
      text = `<... ${call.row.name} resumed>`;
      length = text.length + rest.length + 1;
      text = this.#prefix(pid) + text;
    }
    this.#write(
      `${text}${rest})${' '.repeat(Math.max(0, COLUMN - length))} = ${outcome(call, ret)}\n`,
    );
  }

  /** A program that the host started appears as the execve that it did not make itself. */
  #exec(pid: number, filename: string): void {
    if (this.#calls.has(pid)) return;
    const task = this.#task(pid);
    if (task?.mm == null) return;
    this.#seen.add(pid);
    const { mm } = task;
    const strings = (from: number, to: number): string[] => {
      let text = '';
      for (const byte of mm.mem.read(from, to - from)) text += String.fromCharCode(byte);
      return text.split('\0').slice(0, -1);
    };
    const argv = strings(mm.arg_start, mm.arg_end).map((text) => text.length > STRING_LIMIT ? `${quote(text.slice(0, STRING_LIMIT))}...` : quote(text)).join(', '); // prettier-ignore
    const count = strings(mm.env_start, mm.env_end).length;
    const text = `execve(${quote(filename)}, [${argv}], ${pointer(mm.env_start)} /* ${count} var${count === 1 ? '' : 's'} */)`;
    this.#line(pid, `${text.padEnd(COLUMN)} = 0`);
  }

  #signal(pid: number, info: SigInfo): void {
    this.#line(pid, `--- ${signalText(info.signo)} {${siginfoText(info)}} ---`);
  }

  #gone(pid: number, code: number): void {
    if (this.#calls.has(pid)) {
      // Killed in the middle of a call.
      if (this.#open === pid) {
        this.#write(' <unfinished ...>\n');
        this.#open = null;
      }
      this.#calls.delete(pid);
      this.#unfinished.delete(pid);
    }
    const signal = code & 0x7f;
    const core = (code & 0x80) !== 0 ? ' (core dumped)' : '';
    this.#line(pid, signal === 0 ? `+++ exited with ${(code >> 8) & 0xff} +++` : `+++ killed by ${signalText(signal)}${core} +++`); // prettier-ignore
    this.#seen.delete(pid);
  }
}

function unknownRow(nr: number): SyscallRow {
  return row(nr, syscall_name(nr) ?? `syscall_0x${nr.toString(16)}`, [hex, hex, hex, hex, hex, hex], { level: 'none' }, () => 0); // prettier-ignore
}

function outcome(call: Call, ret: number): string {
  if (ret >= 0 || ret < -4095) return resultText(call, ret);
  const restart = RESTARTS[-ret];
  if (restart !== undefined) return `? ${restart}`;
  return `-1 ${errnoName(-ret)} (${ERROR_TEXT[-ret] ?? 'Unknown error'})`;
}

const FAULTS: Readonly<Record<number, readonly string[]>> = {
  [SIGNAL.SIGSEGV]: ['SEGV_MAPERR', 'SEGV_ACCERR', 'SEGV_BNDERR', 'SEGV_PKUERR'],
  [SIGNAL.SIGBUS]: ['BUS_ADRALN', 'BUS_ADRERR', 'BUS_OBJERR'],
  [SIGNAL.SIGFPE]: ['FPE_INTDIV', 'FPE_INTOVF', 'FPE_FLTDIV', 'FPE_FLTOVF', 'FPE_FLTUND', 'FPE_FLTRES', 'FPE_FLTINV', 'FPE_FLTSUB'], // prettier-ignore
  [SIGNAL.SIGILL]: [
    'ILL_ILLOPC',
    'ILL_ILLOPN',
    'ILL_ILLADR',
    'ILL_ILLTRP',
    'ILL_PRVOPC',
    'ILL_PRVREG',
  ],
  [SIGNAL.SIGTRAP]: ['TRAP_BRKPT', 'TRAP_TRACE'],
  [SIGNAL.SIGCHLD]: [
    'CLD_EXITED',
    'CLD_KILLED',
    'CLD_DUMPED',
    'CLD_TRAPPED',
    'CLD_STOPPED',
    'CLD_CONTINUED',
  ],
};

function siginfoText(info: SigInfo): string {
  const { signo, code } = info;
  const name = (code > 0 ? FAULTS[signo]?.[code - 1] : undefined) ?? SI_CODES[code] ?? String(code);
  const head = `si_signo=${signalText(signo)}, si_code=${name}`;
  if (code > 0 && signo !== SIGNAL.SIGCHLD && info.addr !== undefined)
    return `${head}, si_addr=${pointer(info.addr)}`;
  if (code === 128) return head;
  const sender = `${head}, si_pid=${info.pid ?? 0}, si_uid=${info.uid ?? 0}`;
  if (signo === SIGNAL.SIGCHLD && info.status !== undefined) {
    const status = code === 1 ? String(info.status) : signalText(info.status);
    return `${sender}, si_status=${status}, si_utime=${info.utime ?? 0}, si_stime=${info.stime ?? 0}`;
  }
  if (info.value !== undefined) return `${sender}, si_value={sival_int=${Number(info.value & 0xffffffffn)}, sival_ptr=0x${info.value.toString(16)}}`; // prettier-ignore
  return sender;
}

/** Starts printing, as `strace -f` does, or with `file` as `strace -f -o`. @returns a function that stops it */
export function attachStrace(
  kernel: Kernel,
  write: (text: string) => void,
  file = false,
): () => void {
  return new Strace(kernel, write, file).listen();
}
