import type { Image } from '@vitrine/image';
import { LinuxMachine, Machine } from '../../packages/vitrine/src/index.ts';
import { loadRootfs } from '../../packages/vitrine/src/node/rootfs.ts';
import { shellStatus } from '../../packages/vitrine/src/process.ts';
import type { Outcome } from '../support/native.ts';
import { ENV, type Program } from './cases.ts';

export interface GuestOptions {
  readonly jit?: boolean;
  /** Called with everything the program writes, when it writes it. */
  readonly watch?: (text: string) => void;
}

/** The root for machines, with an empty /tmp as natively. */
export async function imageOf(root: string): Promise<Image> {
  const image = await loadRootfs(root);
  return { ...image, entries: image.entries.filter(({ path }) => !path.startsWith('tmp/')) };
}

/** Runs a case in a fresh machine with the Debian root. */
export async function runInVitrine(
  image: Image,
  { name, script, memory = '1g', cpus = 1, timeout = 300, files = {} }: Program,
  { jit = true, watch }: GuestOptions = {},
): Promise<Outcome> {
  const machine: LinuxMachine = await Machine.boot({ image, memory, cpus, jit, hostname: 'vitrine' }); // prettier-ignore
  const timer = setTimeout(() => void machine.close(), timeout * 1000);
  try {
    for (const [path, bytes] of Object.entries(files))
      await machine.fs.writeFile(path, bytes(), { mode: 0o755 });
    await machine.fs.writeFile(`/root/${name}.sh`, script);
    const env = { ...ENV, HOSTNAME: undefined };
    const process = await machine.spawn(['bash', `/root/${name}.sh`], { cwd: '/tmp', env });
    const read = async (stream: AsyncIterable<Uint8Array>): Promise<string> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of stream) {
        watch?.(Buffer.from(chunk).toString());
        chunks.push(Uint8Array.from(chunk));
      }
      return Buffer.concat(chunks).toString();
    };
    const output = Promise.all([read(process.stdout), read(process.stderr)]);
    const exit = await process.wait();
    // What still runs in the background ends with the program, as it does natively with the namespace.
    await machine.close();
    const [stdout, stderr] = await output;
    return { status: shellStatus(exit), stdout, stderr };
  } finally {
    clearTimeout(timer);
    await machine.close();
  }
}
