import type { Kernel } from '../include/kernel.ts';
import { serializable } from '../include/serial.ts';
import { WaitQueue } from '../include/wait.ts';

declare module '../include/kernel.ts' {
  interface Kernel {
    readonly log: PrintkLog;
  }
}

/** One record of the kernel log (analogous to `struct printk_record`). */
export interface LogRecord {
  readonly seq: number;
  readonly level: number;
  readonly facility: number;
  /** Monotonic nanoseconds. */
  readonly time: number;
  /** Byte string without the newline. */
  readonly text: string;
}

/** The kernel log: a ring of records, bounded by bytes, that dmesg and /dev/kmsg read. */
export class PrintkLog {
  readonly records: LogRecord[] = [];
  readonly size: number = 1 << 18;
  private used = 0;
  next_seq = 0;
  clear_seq = 0;
  /** Where syslog(2) read (action 2) goes on. */
  syslog_seq = 0;
  /** Bytes of that record that a small buffer has taken before. */
  syslog_partial = 0;
  console_loglevel = 4;
  /** What it was before the console was turned off (action 6); null while it is on. */
  saved_console_loglevel: number | null = null;
  readonly wait: WaitQueue = new WaitQueue();

  static {
    serializable('PrintkLog', this);
  }

  emit(level: number, facility: number, time: number, text: string): void {
    for (const line of text.split('\n')) {
      const cut = line.slice(0, 1000);
      this.records.push({ seq: this.next_seq++, level, facility, time, text: cut });
      this.used += cut.length + 16;
    }
    while (this.used > this.size) this.used -= this.records.shift()!.text.length + 16;
    this.wait.wake();
  }

  /** The records from `seq` on. */
  from(seq: number): LogRecord[] {
    const first = this.records[0]?.seq ?? this.next_seq;
    return this.records.slice(Math.max(0, seq - first));
  }

  /** Bytes that syslog(2) and /proc/kmsg have not read yet. */
  unread(): number {
    this.skip_lost();
    const lines = this.from(this.syslog_seq).map(format);
    return lines.reduce((sum, line) => sum + line.length, 0) - this.syslog_partial;
  }

  /** Reads on where the last reader of syslog(2) or /proc/kmsg stopped (syslog_print): whole lines, or a part of the first. */
  take(max: number): Uint8Array {
    this.skip_lost();
    let text = '';
    for (const record of this.from(this.syslog_seq)) {
      const line = format(record).slice(this.syslog_partial);
      if (text.length + line.length > max) {
        if (text === '') this.syslog_partial += (text = line.slice(0, max)).length;
        break;
      }
      text += line;
      this.syslog_seq = record.seq + 1;
      this.syslog_partial = 0;
    }
    return Uint8Array.from(text, (c) => c.charCodeAt(0));
  }

  private skip_lost(): void {
    const first = this.records[0]?.seq ?? this.next_seq;
    if (this.syslog_seq >= first) return;
    this.syslog_seq = first;
    this.syslog_partial = 0;
  }

  /** As syslog(2) gives them: `<6>[    1.234567] text`, the newest that fit `max` bytes. */
  text(seq: number, max: number): Uint8Array {
    const lines = this.from(seq).map(format);
    let total = lines.reduce((sum, line) => sum + line.length, 0);
    while (total > max) total -= lines.shift()!.length;
    return Uint8Array.from(lines.join(''), (c) => c.charCodeAt(0));
  }
}

function format(record: LogRecord): string {
  const seconds = (record.time / 1e9).toFixed(6).padStart(12);
  return `<${record.facility * 8 + record.level}>[${seconds}] ${record.text}\n`;
}

/** Appends to the log (printk). */
export function vprintk(kernel: Kernel, level: number, text: string): void {
  kernel.log.emit(level, 0, kernel.clock.now(), text);
  if (kernel.trace.printk.enabled) kernel.trace.printk.emit({ level, text });
}
