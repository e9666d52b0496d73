import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage } from '@vitrine/image';
import { importArchive } from '@vitrine/image/node/archive.ts';
import { openImage } from '@vitrine/image/node/open.ts';
import { Store } from '@vitrine/image/node/store.ts';
import { type TarEntry, writeTar, writeTarEnd } from '@vitrine/image/tar_write.ts';
import { buildImage, file, tar, writeLayout } from '../../image/test/support.ts';
import { images, Machine } from '../src/index.ts';
import type { LinuxMachine } from '../src/machine.ts';

const BIN = join(import.meta.dirname, '../bin/vitrine.cjs');
const BUSYBOX = join(import.meta.dirname, '../../image/dist/busybox');

/** The embedded image as a layer, and one above it. */
function layers(): Uint8Array[] {
  const base = busyboxImage(readFileSync(BUSYBOX)).entries.map((entry): TarEntry => ({ ...entry, name: `./${entry.path}`, data: entry.data as Uint8Array })); // prettier-ignore
  const top = [
    file('etc/issue', 'from the layer\n'),
    file('etc/.wh.motd'),
    file('etc/.wh.profile'),
    { name: 'srv', mode: 0o041777 },
    file('srv/data', 'x'.repeat(10_000)),
    // The archive has no entry for tmp itself: it stays as it is below.
    file('tmp/implied', 'i'),
    { name: 'suid', mode: 0o106755, data: Buffer.from('s'), uid: 5, gid: 6 },
  ];
  return [Buffer.concat([...writeTar(base), writeTarEnd()]), tar(...top)];
}

const CONFIG = {
  Env: ['PATH=/bin:/usr/bin', 'GREETING=hello'],
  Cmd: ['sh', '-c', 'echo $GREETING from $PWD as $(id -un)'],
  WorkingDir: '/srv',
  User: 'user',
  StopSignal: 'SIGQUIT',
  ExposedPorts: { '80/tcp': {} },
};

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'vitrine-images-'));
  writeLayout(join(work, 'layout'), buildImage(layers(), CONFIG), { 'org.opencontainers.image.ref.name': 'docker.io/me/app:v1' }); // prettier-ignore
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('vitrine with images', () => {
  const vitrine = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8', env: { ...process.env, XDG_CACHE_HOME: join(work, 'cache') } }); // prettier-ignore

  it('loads, lists, runs, removes', () => {
    expect(vitrine('load', join(work, 'layout'))).toMatchObject({ status: 0, stdout: 'Loaded image: me/app:v1\n' }); // prettier-ignore
    expect(vitrine('images').stdout).toMatch(/^REPOSITORY +TAG +IMAGE ID +PLATFORM +CREATED +SIZE\nme\/app +v1 +[0-9a-f]{12} +linux\/amd64 .*MB\n$/); // prettier-ignore
    expect(vitrine('run', 'me/app:v1').stdout).toBe('hello from /srv as user\n');
    expect(vitrine('run', '-e', 'GREETING=bye', '-w', '/tmp', '-u', '0:0', 'me/app:v1').stdout).toBe('bye from /tmp as root\n'); // prettier-ignore
    expect(vitrine('run', '--entrypoint', 'echo', 'me/app:v1', 'a', 'b').stdout).toBe('a b\n');
    expect(vitrine('run', 'me/app:v1', 'cat', '/etc/issue').stdout).toBe('from the layer\n');
    expect(JSON.parse(vitrine('inspect', 'me/app:v1').stdout)).toMatchObject([{ Config: CONFIG }]);
    expect(
      vitrine(
        'run',
        '--read-only',
        '--tmpfs',
        '/mem:size=1m',
        'me/app:v1',
        'sh',
        '-c',
        'echo x > /tmp/x; echo y > /mem/y; cat /mem/y',
      ).stdout,
    ).toBe('y\n');
    expect(
      vitrine(
        'run',
        '-w',
        '/made/here',
        '-u',
        'root',
        '--group-add',
        '77',
        'me/app:v1',
        'sh',
        '-c',
        'pwd; id -G',
      ).stdout,
    ).toBe('/made/here\n0 10 77\n');
    expect(vitrine('run', '--pull', 'never', 'me/other')).toMatchObject({ status: 125, stderr: expect.stringContaining('no image me/other') }); // prettier-ignore
    expect(vitrine('rmi', 'me/app:v1')).toMatchObject({
      status: 0,
      stdout: 'Removed: me/app:v1\n',
    });
    expect(readdirSync(join(work, 'cache/vitrine/layers'))).toEqual([]);
    expect(vitrine('rmi', 'me/app:v1').status).toBe(1);
    expect(vitrine('prune').stdout).toBe('Reclaimed 0B\n');
  });

  it('runs a layout where it lies', () => {
    expect(vitrine('run', join(work, 'layout')).stdout).toBe('hello from /srv as user\n');
  });

  it('takes an archive through a pipe', () => {
    const script = 'tar -C "$1" -cf - . | gzip | "$2" "$3" load --name piped'; // as docker save would
    const run = (text: string): ReturnType<typeof vitrine> => spawnSync('sh', ['-c', text, 'sh', join(work, 'layout'), process.execPath, BIN], { encoding: 'utf8', env: { ...process.env, XDG_CACHE_HOME: join(work, 'cache') } }); // prettier-ignore
    expect(run(script)).toMatchObject({ status: 0, stdout: 'Loaded image: piped:latest\n' });
    expect(run('echo nothing | "$2" "$3" load').stderr).toMatch(/^vitrine: standard input is neither a folder nor a tar archive/); // prettier-ignore
    expect(vitrine('rmi', 'piped').status).toBe(0);
    expect(readdirSync(join(work, 'cache/vitrine/tmp'))).toEqual([]);
  });

  it('says what it does not know', () => {
    expect(vitrine('pull')).toMatchObject({ status: 125, stderr: expect.stringContaining('name of an image') }); // prettier-ignore
    expect(vitrine('pull', 'UPPER')).toMatchObject({ status: 125, stderr: expect.stringContaining('no image name') }); // prettier-ignore
    expect(vitrine('image', 'nothing')).toMatchObject({ status: 125 });
    expect(vitrine('pull', '--help').stdout).toMatch(/^Usage: vitrine pull/);
  });
});

it('the store is there for programs', async () => {
  process.env['XDG_CACHE_HOME'] = join(work, 'programs');
  const [image] = await images.load(join(work, 'layout'));
  expect(await images.list()).toEqual([image]);
  const machine = await Machine.boot({ image: 'me/app:v1' });
  const cat = await machine.spawn(['cat', '/etc/issue']);
  expect(await cat.stdout.text()).toBe('from the layer\n');
  await machine.close();
  expect([await images.remove('me/app:v1'), await images.remove('me/app:v1'), await images.prune()]).toEqual([true, false, 0]); // prettier-ignore
  await expect(Machine.boot({ image: 'me/app:v1' })).rejects.toThrow('no image me/app:v1 is here');
});

describe('a machine from an image', () => {
  const boot = async (): Promise<LinuxMachine> => {
    const store = new Store(join(work, 'store'));
    const [image] = await importArchive(store, join(work, 'layout'));
    return Machine.boot({ image: openImage(store, image!) });
  };
  const sh = async (machine: LinuxMachine, script: string): Promise<string> => {
    const process = await machine.spawn(['sh', '-c', `exec 2>&1; ${script}`], { user: '0' });
    const text = await process.stdout.text();
    await process.wait();
    return text;
  };

  it('sees its layers as one tree, and changes only its own', async () => {
    const machine = await boot();
    expect(await sh(machine, 'ls /etc/motd /etc/profile; cat /etc/issue; stat -c "%a %u %g" /suid /srv')).toBe(
      'ls: /etc/motd: No such file or directory\nls: /etc/profile: No such file or directory\nfrom the layer\n6755 5 6\n1777 0 0\n',
    ); // prettier-ignore
    expect(await sh(machine, 'echo more >> /srv/data; wc -c < /srv/data; rm /etc/issue; cat /etc/issue')).toBe("10005\ncat: can't open '/etc/issue': No such file or directory\n"); // prettier-ignore
    expect(await sh(machine, 'grep " / " /proc/mounts')).toMatch(/^overlay \/ overlay rw,relatime,lowerdir=\/layers\/1:\/layers\/0,/); // prettier-ignore
    expect(await sh(machine, 'stat -c "%a %h" /tmp; : > /tmp/new; stat -c %a /tmp; cat /tmp/implied; stat -c %a /')).toBe('1777 1\n1777\ni755\n'); // prettier-ignore
    const other = await boot();
    expect(await sh(other, 'wc -c < /srv/data; cat /etc/issue')).toBe('10000\nfrom the layer\n');
    await machine.close();
    await other.close();
  });

  it("is stopped with the image's signal", async () => {
    const machine = await boot();
    const script = "trap 'echo asked; exit 4' QUIT; echo ready; while :; do sleep 0.01; done";
    const process = await machine.spawn(['sh', '-c', script]);
    const reader = process.stdout[Symbol.asyncIterator]();
    expect(Buffer.from((await reader.next()).value!).toString()).toBe('ready\n');
    await machine.stop();
    expect(await process.wait()).toEqual({ status: 4, signal: null });
    const deaf = await boot();
    const sleeper = await deaf.spawn(['sh', '-c', "trap '' QUIT; echo ready; sleep 1000"]);
    await sleeper.stdout.read();
    await deaf.stop(0.2);
    expect(await sleeper.wait()).toEqual({ status: null, signal: 'SIGKILL' });
  });

  it('goes on from a snapshot, in which layers are named only', async () => {
    const machine = await boot();
    await sh(machine, 'echo more >> /srv/data; echo own > /own');
    const bytes = machine.snapshot();
    await machine.close();
    const store = new Store(join(work, 'store'));
    const [image] = await importArchive(store, join(work, 'layout'));
    const restored = await Machine.restore(bytes, { image: openImage(store, image!) });
    expect(await sh(restored, 'cat /own; wc -c < /srv/data; cat /etc/issue; ls /bin | wc -l')).toMatch(/^own\n10005\nfrom the layer\n\d{2,}\n$/); // prettier-ignore
    await restored.close();
  });
});
