/** The host's side of a process's terminal. */
export interface Terminal {
  /** What somebody typed. */
  input(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
}
