import { serializable } from './serial.ts';

/** Analogous to `struct task_io_accounting`: what a task read and wrote. Its files are in memory: no disk is counted. */
export class TaskIo {
  rchar = 0;
  wchar = 0;
  syscr = 0;
  syscw = 0;
  static {
    serializable('TaskIo', this);
  }

  add(other: TaskIo): void {
    this.rchar += other.rchar;
    this.wchar += other.wchar;
    this.syscr += other.syscr;
    this.syscw += other.syscw;
  }
}
