import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lchownSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxImage, type RootEntry } from '@vitrine/image';

/** What a program left behind; texts are byte strings. */
export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

export const BUSYBOX: string = join(import.meta.dirname, '../../packages/image/dist/busybox');

/** The environment every program of the suites gets. */
export const ENV: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  SHELL: '/bin/sh',
  USER: 'root',
};

/** Can programs run here as they would in Vitrine: on Linux, as root, in namespaces of their own? */
export const canRunNatively: boolean =
  process.platform === 'linux' &&
  process.arch === 'x64' &&
  process.getuid?.() === 0 &&
  existsSync(BUSYBOX) &&
  spawnSync('unshare', ['-m', '-p', '-f', '-u', '-i', 'sh', '-c', 'mount -t tmpfs none /mnt'])
    .status === 0;

/** Makes a folder of the host look like the image. */
export function materialise(entries: readonly RootEntry[], root: string): void {
  for (const entry of entries) {
    const path = join(root, entry.path);
    if (entry.target !== undefined) {
      symlinkSync(entry.target, path);
      lchownSync(path, entry.uid, entry.gid);
      continue;
    }
    if (entry.hardLink !== undefined) {
      linkSync(join(root, entry.hardLink), path);
      continue;
    }
    if ((entry.mode & 0o170000) === 0o040000) mkdirSync(path, { recursive: true });
    else
      writeFileSync(
        path,
        entry.data instanceof Uint8Array ? entry.data : (entry.data?.read() ?? ''),
      );
    chownSync(path, entry.uid, entry.gid);
    chmodSync(path, entry.mode & 0o7777);
    utimesSync(path, entry.mtime, entry.mtime);
  }
}

/** Shell: the devices of a minimal /dev, made in it. */
export const DEVICES = `\
mknod -m 666 null c 1 3; mknod -m 666 zero c 1 5; mknod -m 666 full c 1 7
mknod -m 666 random c 1 8; mknod -m 666 urandom c 1 9; mknod -m 666 tty c 5 0
ln -s pts/ptmx ptmx; ln -s /proc/self/fd fd; ln -s fd/0 stdin; ln -s fd/1 stdout; ln -s fd/2 stderr
chgrp 5 tty`;

/**
 * Runs as PID 1 of new namespaces: builds a root of its own on a tmpfs, as Vitrine's is, then the program as another process.
 * $1 the image's folder, $2 an empty folder, $3 extra files to copy into /usr/local/bin (or ''), the rest: the program.
 */
const SETUP = `
set -e
image=$1 root=$2 extra=$3; shift 3
mount -t tmpfs -o mode=755 tmpfs "$root"
cp -a "$image/." "$root"
if [ -n "$extra" ]; then cp -a $extra "$root/usr/local/bin/"; fi
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
cd "$root/dev"
mkdir pts shm
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs shm
${DEVICES}
mknod -m 600 console c 5 1; mknod -m 644 kmsg c 1 11
hostname vitrine
cd "$root"
set +e
# What this shell inherited is not the program's business: descriptors, limits, scores.
for fd in /proc/$$/fd/*; do
  n=\${fd##*/}
  if [ "$n" -gt 2 ] && [ "$n" != 255 ]; then eval "exec $n>&-"; fi
done
ulimit -S -c 0; ulimit -S -n 1024; ulimit -H -n 4096
echo 0 > /proc/self/oom_score_adj
# Streams are pipes, as in Vitrine (Node's own are sockets), and what this shell has to say does not mix in.
exec 5>&2 2>/dev/null
{
  chroot --groups=0,10 "$root" /bin/busybox sh -c 'cd /tmp && exec env -i "PATH=$PATH" "HOME=$HOME" "SHELL=$SHELL" "USER=$USER" "$@"' sh "$@" 2>&1 1>&4 4>&- 5>&- |
    cat >&5 4>&-
  exit \${PIPESTATUS[0]}
} 4>&1 | cat 5>&-
exit \${PIPESTATUS[0]}
`;

/** A native Linux prepared like a Vitrine machine with the embedded image. */
export class NativeLinux {
  readonly #work = mkdtempSync(join(tmpdir(), 'vitrine-native-'));
  readonly #image = join(this.#work, 'image');
  readonly #root = join(this.#work, 'root');

  constructor() {
    mkdirSync(this.#image);
    mkdirSync(this.#root);
    materialise(busyboxImage(readFileSync(BUSYBOX)).entries, this.#image);
  }

  run(
    argv: readonly string[],
    { extra = '', stdin = '', timeout = 30_000 } = {},
  ): Promise<Outcome> {
    const child = spawn(
      'unshare',
      ['-m', '-p', '-f', '-u', '-i', '--kill-child', 'bash', '-c', SETUP, 'setup', this.#image, this.#root, extra, ...argv], // prettier-ignore
      {
        env: { ...ENV },
        detached: true,
        stdio: [stdin === '' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      },
    );
    child.stdin?.end(Buffer.from(stdin, 'latin1'));
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout!.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr!.on('data', (chunk: Buffer) => err.push(chunk));
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(timer);
        const text = (chunks: Buffer[]): string => Buffer.concat(chunks).toString('latin1');
        resolve({ status: code ?? -1, stdout: text(out), stderr: text(err) });
      });
    });
  }

  close(): void {
    rmSync(this.#work, { recursive: true, force: true });
  }
}

/** Is the command there? */
export function has(command: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
