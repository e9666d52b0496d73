import * as E from '@vitrine/uapi/errno.ts';
import { O_RDWR } from '@vitrine/uapi/fcntl.ts';
import * as P from '@vitrine/uapi/perf_event.ts';
import { EPOLLHUP } from '@vitrine/uapi/poll.ts';
import { anon_inode_path } from '../fs/anon_inodes.ts';
import { StreamFile } from '../fs/file.ts';
import type { Current } from '../include/current.ts';
import { errno } from '../include/errno.ts';
import type { IovIter } from '../include/iov.ts';
import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { task_cputime } from './sched/fair.ts';
import type { Task } from './task.ts';

/** Counters of what happens to tasks (analogous to kernel/events/core.c; perf_event_open(2)): the events of software. */

/** What the program asked for in `struct perf_event_attr`. */
export interface PerfAttr {
  readonly config: number;
  readonly read_format: number;
  readonly inherit: boolean;
  /** Only threads of the same process are counted with it. */
  readonly inherit_thread: boolean;
  readonly exclude_user: boolean;
  readonly exclude_kernel: boolean;
  readonly enable_on_exec: boolean;
  readonly remove_on_exec: boolean;
}

/** What a counter says of one task, or processor, at a moment. */
interface Sample {
  readonly count: number;
  /** Nanoseconds that it ran. */
  readonly time: number;
}

declare module '../include/kernel.ts' {
  interface Kernel {
    /** Numbers of performance events so far. */
    perf_event_ids?: number;
  }
}

/** Counts as task fields have them: an event is the difference between two moments. */
function taskSample(task: Task, attr: PerfAttr): Sample {
  const { utime, stime } = task_cputime(task);
  return { count: taskCount(task, attr, utime + stime), time: utime + stime };
}

function taskCount(task: Task, attr: PerfAttr, runtime: number): number {
  switch (attr.config) {
    case P.PERF_COUNT_SW_CPU_CLOCK:
    case P.PERF_COUNT_SW_TASK_CLOCK:
      return runtime;
    case P.PERF_COUNT_SW_PAGE_FAULTS:
      return attr.exclude_user ? 0 : task.min_flt + task.maj_flt;
    case P.PERF_COUNT_SW_PAGE_FAULTS_MIN:
      return attr.exclude_user ? 0 : task.min_flt;
    case P.PERF_COUNT_SW_PAGE_FAULTS_MAJ:
      return attr.exclude_user ? 0 : task.maj_flt;
    case P.PERF_COUNT_SW_CONTEXT_SWITCHES:
      // They happen in the kernel.
      return attr.exclude_kernel ? 0 : task.nvcsw + task.nivcsw;
    case P.PERF_COUNT_SW_CPU_MIGRATIONS:
      return attr.exclude_kernel ? 0 : task.se.nr_migrations;
    default:
      return 0; // alignment and emulation faults, dummies: they never happen
  }
}

/** One event (analogous to `struct perf_event`), of a task and those that inherit it, or of a processor. */
export class PerfEvent {
  readonly kernel: Kernel;
  readonly id: number;
  readonly attr: PerfAttr;
  /** The processor whose time it counts, where it is no task's. */
  readonly cpu: number;
  /** The first of its group, itself for most. */
  readonly leader: PerfEvent;
  readonly group: PerfEvent[] = [this];
  /** Asked to count; it does while its leader is, too. */
  private enabled = false;
  private running = false;
  /** Counted before, of tasks that are still there and of those that have ended. */
  private count = 0;
  private child_count = 0;
  private time = 0;
  /** Its tasks, and what their fields said when the counting began. */
  private readonly bases: Map<Task, Sample> = new Map();
  private cpuBase: Sample = { count: 0, time: 0 };
  /** PERF_EVENT_STATE_EXIT: its task has ended. */
  owner: Task | null;

  constructor(
    kernel: Kernel,
    attr: PerfAttr,
    task: Task | null,
    cpu: number,
    leader: PerfEvent | null,
  ) {
    this.kernel = kernel;
    this.attr = attr;
    this.cpu = cpu;
    this.leader = leader ?? this;
    this.id = kernel.perf_event_ids = (kernel.perf_event_ids ?? 0) + 1;
    this.owner = task;
    leader?.group.push(this);
    if (task !== null) this.attach(task);
  }

  static {
    serializable('PerfEvent', this);
  }

  attach(task: Task): void {
    (task.perf_events ??= new Set()).add(this);
    this.bases.set(task, taskSample(task, this.attr));
  }

  /** The task ends, or is not counted any more. */
  detach(task: Task): void {
    const base = this.bases.get(task);
    if (base === undefined) return;
    if (this.running) this.add(task === this.owner ? 'count' : 'child_count', base, taskSample(task, this.attr)); // prettier-ignore
    this.bases.delete(task);
    task.perf_events?.delete(this);
    if (task.perf_events?.size === 0) task.perf_events = null;
  }

  private add(into: 'count' | 'child_count', base: Sample, now: Sample): void {
    this[into] += now.count - base.count;
    this.time += now.time - base.time;
  }

  private cpuSample(): Sample {
    const now = this.kernel.clock.now();
    const clock = this.attr.config <= P.PERF_COUNT_SW_TASK_CLOCK;
    const switches = this.attr.config === P.PERF_COUNT_SW_CONTEXT_SWITCHES;
    return { count: clock ? now : switches ? this.kernel.sched.rqs[this.cpu]!.nr_switches : 0, time: now }; // prettier-ignore
  }

  /** Brings the counts up to this moment. */
  private update(): void {
    if (!this.running) return;
    if (this.owner === null) {
      const now = this.cpuSample();
      this.add('count', this.cpuBase, now);
      this.cpuBase = now;
      return;
    }
    for (const [task, base] of this.bases) {
      const now = taskSample(task, this.attr);
      this.add('count', base, now);
      this.bases.set(task, now);
    }
  }

  private sync(): void {
    const wanted = this.enabled && this.leader.enabled;
    if (wanted === this.running) return;
    this.update();
    this.running = wanted;
    if (!wanted) return;
    this.cpuBase = this.owner === null ? this.cpuSample() : this.cpuBase;
    for (const task of this.bases.keys()) this.bases.set(task, taskSample(task, this.attr));
  }

  enable(on: boolean): void {
    this.enabled = on;
    for (const event of this.leader === this ? this.group : [this]) event.sync();
  }

  reset(): void {
    this.update();
    this.count = 0;
  }

  get values(): { value: number; time: number } {
    this.update();
    return { value: this.count + this.child_count, time: this.time };
  }

  /** Nobody can read it any more. Its group goes on without it. */
  release(): void {
    for (const task of [...this.bases.keys()]) this.detach(task);
    this.leader.group.splice(this.leader.group.indexOf(this), 1);
  }
}

/** fork: events that are inherited count the child, too (perf_event_init_task). */
export function perf_event_init_task(parent: Task, child: Task): void {
  for (const event of parent.perf_events ?? []) {
    if (!event.attr.inherit) continue;
    if (!event.attr.inherit_thread || child.signal === parent.signal) event.attach(child);
  }
}

export function perf_event_exit_task(task: Task): void {
  for (const event of [...(task.perf_events ?? [])]) event.detach(task);
}

/** execve starts some events, and ends others (perf_event_exec). */
export function perf_event_exec(task: Task): void {
  for (const event of [...(task.perf_events ?? [])]) {
    if (event.attr.remove_on_exec) event.detach(task);
    else if (event.attr.enable_on_exec) event.enable(true);
  }
}

/** The descriptor of an event. */
export class PerfEventFile extends StreamFile {
  readonly event: PerfEvent;
  constructor(current: Current, event: PerfEvent) {
    super(current, anon_inode_path(current.kernel, '[perf_event]'), O_RDWR);
    this.event = event;
  }
  static {
    serializable('PerfEventFile', this);
  }

  override get splice_read(): boolean {
    return false;
  }

  override release(): void {
    this.event.release();
  }

  /** There is no buffer of samples to wait for. */
  override poll(): number {
    return EPOLLHUP;
  }

  override read_iter(_current: Current, to: IovIter): number {
    const words = this.words();
    if (to.count < words.length * 8)
      throw errno(E.ENOSPC, 'the event has {} bytes to tell, the buffer has {}', words.length * 8, to.count); // prettier-ignore
    const bytes = new BigUint64Array(words.map((word) => BigInt(Math.round(word))));
    return to.copyTo(new Uint8Array(bytes.buffer), 0, words.length * 8);
  }

  /** What read(2) gives, as read_format asks. */
  private words(): number[] {
    const { event } = this;
    const { read_format } = event.attr;
    const has = (bit: number): boolean => (read_format & bit) !== 0;
    const { value, time } = event.values;
    const times: number[] = [];
    if (has(P.PERF_FORMAT_TOTAL_TIME_ENABLED)) times.push(time);
    if (has(P.PERF_FORMAT_TOTAL_TIME_RUNNING)) times.push(time);
    const one = (count: number, { id }: PerfEvent): number[] => [
      count,
      ...(has(P.PERF_FORMAT_ID) ? [id] : []),
      ...(has(P.PERF_FORMAT_LOST) ? [0] : []),
    ];
    if (!has(P.PERF_FORMAT_GROUP)) {
      const [count, ...rest] = one(value, event);
      return [count!, ...times, ...rest];
    }
    const { group } = event.leader;
    return [group.length, ...times, ...group.flatMap((each) => one(each.values.value, each))];
  }

  override ioctl(current: Current, cmd: number, arg: number): number {
    const { event } = this;
    const events = arg & P.PERF_IOC_FLAG_GROUP ? event.leader.group : [event];
    switch (cmd >>> 0) {
      case P.PERF_EVENT_IOC_ENABLE:
      case P.PERF_EVENT_IOC_DISABLE:
        for (const each of events) each.enable(cmd >>> 0 === P.PERF_EVENT_IOC_ENABLE);
        return 0;
      case P.PERF_EVENT_IOC_RESET:
        for (const each of events) each.reset();
        return 0;
      case P.PERF_EVENT_IOC_ID:
        current.mem.putU64(arg, event.id);
        return 0;
      case 0x2402: // REFRESH, PERIOD, SET_OUTPUT, SET_FILTER, PAUSE_OUTPUT
      case 0x4008_2404:
      case 0x2405:
      case 0x4008_2406:
      case 0x4004_2409:
        throw errno(E.EINVAL, 'the event takes no samples: ioctl 0x{}', (cmd >>> 0).toString(16));
      default:
        throw errno(E.ENOTTY, 'a performance event has no ioctl 0x{}', (cmd >>> 0).toString(16));
    }
  }
}
