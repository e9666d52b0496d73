/**
 * Static tracepoints, the kernel's only eyes: free when nobody listens.
 *
 *     if (kernel.trace.sched_switch.enabled) kernel.trace.sched_switch.emit({ prev: prev.pid, next: next.pid });
 */
export class Tracepoint<E extends object> {
  readonly name: string;
  enabled = false;
  #listeners: ((event: E) => void)[] = [];
  constructor(name: string) {
    this.name = name;
  }

  emit(event: E): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** @returns a function that stops listening */
  on(listener: (event: E) => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    this.enabled = true;
    return () => {
      this.#listeners = this.#listeners.filter((l) => l !== listener);
      this.enabled = this.#listeners.length > 0;
    };
  }
}

/** Every tracepoint's event. A subsystem adds its own by declaration merging next to the code that emits it. */
export interface TraceEvents {
  /** `args`: the six registers as signed 64-bit integers (rounded beyond ±2^53). */
  sys_enter: { pid: number; nr: number; args: readonly number[] };
  sys_exit: { pid: number; nr: number; ret: number; reason: string | null };
  sched_switch: { prev: number; prev_comm: string; next: number; next_comm: string };
  sched_wakeup: { pid: number; comm: string };
  sched_process_fork: { parent: number; child: number };
  sched_process_exec: { pid: number; filename: string; old_pid: number };
  sched_process_exit: { pid: number; comm: string; code: number };
  signal_generate: { pid: number; sig: number; code: number; sender: number; reason: string };
  signal_deliver: {
    pid: number;
    sig: number;
    action: 'handler' | 'kill' | 'core';
    info: { code: number; reason?: string };
  };
  page_fault_user: { pid: number; address: number; ip: number; error_code: number };
  oom_kill: { pid: number; comm: string; reason: string };
  printk: { level: number; text: string };
}

export type Trace = { readonly [K in keyof TraceEvents]: Tracepoint<TraceEvents[K]> };

const names = new Set<keyof TraceEvents>();

/** Declares tracepoints: once per name, at module level, beside the code that emits them. */
export function defineTracepoints(...list: readonly (keyof TraceEvents)[]): void {
  for (const name of list) names.add(name);
}

defineTracepoints(
  'sys_enter',
  'sys_exit',
  'sched_switch',
  'sched_wakeup',
  'sched_process_fork',
  'sched_process_exec',
  'sched_process_exit',
  'signal_generate',
  'signal_deliver',
  'page_fault_user',
  'oom_kill',
  'printk',
);

/** One machine's tracepoints: a plain object, so that reading a point costs a property load. */
export function makeTrace(): Trace {
  const trace: Record<string, Tracepoint<object>> = {};
  for (const name of names) trace[name] = new Tracepoint(name);
  return trace as Trace;
}
