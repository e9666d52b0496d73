import { spawnSync } from 'node:child_process';
import { writeSync } from 'node:fs';

/** Writes all of it to a descriptor of this process; rejects when nobody reads (EPIPE). */
export function writeAll(fd: 1 | 2, bytes: Uint8Array): Promise<void> | void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      // The descriptor does not block (a terminal in raw mode, a socket): Node's stream waits for it.
      return writeLater(fd, bytes.subarray(at));
    }
  }
}

function writeLater(fd: 1 | 2, bytes: Uint8Array): Promise<void> {
  const stream = fd === 1 ? process.stdout : process.stderr;
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** Puts the host's terminal into raw mode; it is restored however this process ends. */
export function enterRawMode(): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  const restore = (): void => {
    if (stdin.isRaw) stdin.setRawMode(false);
  };
  stdin.setRawMode(true);
  // Node leaves output processing on; the machine's own terminal does that. What was set before comes back with the rest.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  process.on('exit', restore);
  return restore;
}

/** Size of the host's terminal. */
export function terminalSize(): { columns: number; rows: number } {
  const { columns = 80, rows = 24 } = process.stdout.isTTY ? process.stdout : process.stderr;
  return { columns, rows };
}
