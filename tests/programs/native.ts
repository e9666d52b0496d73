import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DEVICES, type Outcome } from '../support/native.ts';
import { ENV, type Program } from './cases.ts';

/**
 * Runs as PID 1 of new namespaces: the root with a tmpfs over it, so that nothing of it changes, then the program as
 * another process. $1 the root, $2 an empty folder, $3 a folder with files to add, $4 the name of the script.
 */
const SETUP = `
exec 5>&2 2>/dev/null
set -e
lower=$1 work=$2 files=$3
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
chmod 755 "$work/upper"
mount -t overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
cp -a "$files/." "$work/root/"
root=$work/root
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$root/sys"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
cd "$root/dev"
mkdir pts shm mqueue
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs shm
mount -t mqueue mqueue mqueue
${DEVICES}
hostname vitrine
cd "$root"
set +e
# What this shell inherited is not the program's business: descriptors, limits, scores.
for fd in /proc/$$/fd/*; do
  n=\${fd##*/}
  if [ "$n" -gt 2 ] && [ "$n" != 5 ] && [ "$n" != 255 ]; then eval "exec $n>&-"; fi
done
ulimit -S -c 0; ulimit -S -n 1024; ulimit -H -n 4096
echo 0 > /proc/self/oom_score_adj
chroot --groups=0 "$root" /bin/sh -c 'cd /tmp && exec bash "$1"' sh "$4" </dev/null 2>&5 5>&-
exit $?
`;

/**
 * Streams are pipes, as in Vitrine (Node's own are sockets). They end with the namespace: what still runs in the background
 * then is killed.
 */
const PIPES = `
{
  unshare -m -p -f -u -i -n --kill-child bash -c "$@" 2>&1 1>&4 4>&- | cat >&2 4>&-
  exit \${PIPESTATUS[0]}
} 4>&1 | cat
exit \${PIPESTATUS[0]}
`;

/** Runs a case on this computer's Linux, in the Debian root. */
export function runNatively(
  root: string,
  { name, script, timeout = 120, files = {} }: Program,
): Promise<Outcome> {
  const work = mkdtempSync(join(tmpdir(), 'vitrine-native-'));
  for (const folder of ['work', 'files']) mkdirSync(join(work, folder));
  const all = { ...files, [`/root/${name}.sh`]: () => Buffer.from(script) };
  for (const [path, bytes] of Object.entries(all)) {
    const file = join(work, 'files', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes(), { mode: 0o755 });
  }
  chmodSync(join(work, 'files/root'), 0o700);
  const setup = [SETUP, 'setup', root, join(work, 'work'), join(work, 'files'), `/root/${name}.sh`];
  const child = spawn('bash', ['-c', PIPES, 'pipes', ...setup], { env: { ...ENV }, stdio: ['ignore', 'pipe', 'pipe'], detached: true }); // prettier-ignore
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), timeout * 1000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      rmSync(work, { recursive: true, force: true });
      resolve({ status: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }); // prettier-ignore
    });
  });
}
