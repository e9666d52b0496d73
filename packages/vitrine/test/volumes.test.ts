import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build, programs, recorded } from '../../../tests/guest/programs.ts';
import { bytesToByteString } from '../src/bytes.ts';
import { type LinuxMachine, Machine } from '../src/index.ts';

describe.skipIf(process.platform === 'win32')('folders of the host', () => {
  let host: string;
  let machine: LinuxMachine | undefined;
  beforeEach(() => {
    host = mkdtempSync(join(tmpdir(), 'vitrine-volume-'));
    writeFileSync(join(host, 'file'), 'from the host\n');
    symlinkSync('file', join(host, 'link'));
  });
  afterEach(async () => {
    await machine?.close();
    rmSync(host, { recursive: true, force: true });
  });

  const sh = async (script: string, readonly = false): Promise<string> => {
    machine = await Machine.boot({ memory: '64m', volumes: { '/work/here': { host, readonly } } });
    const process = await machine.spawn(['sh', '-c', `cd /work/here; ${script}`]);
    return `${await process.stdout.text()}${await process.stderr.text()}`;
  };

  it('can be read and changed', async () => {
    const script = 'cat link; echo new > made; mkdir d; mv made d/moved; ln -s moved d/l; chmod 640 d/moved; echo more >> file; rm link; truncate -s 100000 big; ls'; // prettier-ignore
    expect(await sh(script)).toBe('from the host\nbig\nd\nfile\n');
    expect(readFileSync(join(host, 'd/moved'), 'utf8')).toBe('new\n');
    expect(statSync(join(host, 'd/moved')).mode & 0o777).toBe(0o640);
    expect(readlinkSync(join(host, 'd/l'))).toBe('moved');
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('from the host\nmore\n');
    expect(existsSync(join(host, 'link'))).toBe(false);
    expect(statSync(join(host, 'big')).size).toBe(100_000);
  });

  it('show what the host changes meanwhile', async () => {
    await sh('true');
    writeFileSync(join(host, 'file'), 'changed');
    writeFileSync(join(host, 'late'), 'late');
    expect(await machine!.fs.readFile('/work/here/file', 'utf8')).toBe('changed');
    expect(await machine!.fs.readdir('/work/here')).toEqual(['file', 'late', 'link']);
  });

  it('hold programs', async () => {
    expect(await sh('cp /bin/busybox busybox; ./busybox echo ran; rm busybox; ls')).toBe(
      'ran\nfile\nlink\n',
    );
  });

  it('are safe from a machine that may only read, and from links that lead out', async () => {
    symlinkSync('/etc/hostname', join(host, 'out'));
    const text = await sh(
      'cat file out; echo x > file; rm file; mkdir d; mount -t hostfs /work/here /mnt; rm /mnt/file',
      true,
    );
    expect(text).toContain('from the host\nvitrine\n'); // the machine's own /etc/hostname
    expect(text.match(/Read-only file system/g)).toHaveLength(4);
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('from the host\n');
    expect(await sh('mount -t hostfs /etc /mnt')).toContain('No such device');
  });

  it('may be a single file, and nothing beside it', async () => {
    writeFileSync(join(host, 'secret'), 'secret\n');
    machine = await Machine.boot({
      memory: '64m',
      volumes: {
        '/etc/hostname': { host: join(host, 'link') },
        '/new/place': { host: join(host, 'file'), readonly: true },
      },
    });
    const script = 'cat /etc/hostname /new/place; echo more >> /etc/hostname; echo x > /new/place; cat /new/place/../secret; rm /etc/hostname; mv /etc/hostname /etc/other; ln /etc/hostname /etc/other; stat -c "%F %s" /etc/hostname; ls /new'; // prettier-ignore
    const process = await machine.spawn(['sh', '-c', script]);
    const text = `${await process.stdout.text()}${await process.stderr.text()}`;
    expect(text).toMatch(/^(from the host\n){2}regular file 19\nplace\n/);
    expect(text.match(/Read-only file system/g)).toHaveLength(1);
    expect(text.match(/Not a directory/g)).toHaveLength(1);
    expect(text.match(/busy|Cross-device/g)!.length).toBeGreaterThanOrEqual(3);
    expect(readFileSync(join(host, 'file'), 'utf8')).toBe('from the host\nmore\n');
    expect(text).not.toContain('secret\n');
  });

  it('are not left when a folder above a granted file becomes a link', async () => {
    machine = await Machine.boot({ memory: '64m', volumes: { '/a': { host } } });
    await (await machine.spawn(['sh', '-c', 'mkdir /a/d; echo own > /a/d/f'])).wait();
    await machine.close();
    machine = await Machine.boot({
      memory: '64m',
      volumes: { '/a': { host }, '/f': { host: join(host, 'd/f') }, '/d': { host: join(host, 'd') } }, // prettier-ignore
    });
    const script = 'cat /f; mv /a/d /a/e; ln -s /etc /a/d; cat /f; ls /d; ls /d/passwd';
    const process = await machine.spawn(['sh', '-c', script]);
    expect(await process.stdout.text()).toBe('own\n');
    expect((await process.stderr.text()).match(/Stale/g)!.length).toBeGreaterThanOrEqual(2);
  });

  it('lead nowhere else, even when one folder is granted twice', async () => {
    // Through the second grant a folder that the first one knows becomes a link out of the granted tree.
    writeFileSync(join(host, '..', 'outside'), 'secret\n');
    machine = await Machine.boot({
      memory: '64m',
      volumes: { '/a': { host }, '/b': { host } },
    });
    const script = 'mkdir -p /a/d; echo own > /a/d/outside; echo own > /a/f; cd /a/d; exec 3< /a/f; mv /b/d /b/e; ln -s .. /b/d; rm /b/f; ln -s ../outside /b/f; cat /a/d/outside outside; echo changed > outside; chmod 777 /a/f; echo x >> /a/f; truncate -s 0 /a/f'; // prettier-ignore
    const process = await machine.spawn(['sh', '-c', script]);
    const text = `${await process.stdout.text()}${await process.stderr.text()}`;
    expect(text).not.toContain('secret');
    expect(readFileSync(join(host, '..', 'outside'), 'utf8')).toBe('secret\n');
    rmSync(join(host, '..', 'outside'));
  });

  it('are like any other folder for programs', async () => {
    const program = programs().find(({ id }) => id === 'granted.glibc');
    if (program === undefined) return; // no compiler here
    machine = await Machine.boot({ volumes: { '/work/here': { host } } });
    await machine.fs.writeFile('/usr/local/bin/granted', readFileSync(build(program)), { mode: 0o755 }); // prettier-ignore
    const process = await machine.spawn(['granted', '/work/here']);
    expect(bytesToByteString(await process.stdout.bytes())).toBe(
      recorded()['granted.glibc']!.stdout,
    );
  });

  it('hold other volumes and mounts', async () => {
    mkdirSync(join(host, 'sub'));
    mkdirSync(join(host, 'other'));
    writeFileSync(join(host, 'other/inner'), 'inner\n');
    machine = await Machine.boot({
      memory: '64m',
      volumes: { '/a': { host }, '/a/sub': { host: join(host, 'other') } },
    });
    const script = 'cat /a/sub/inner; mkdir /a/m; mount -t tmpfs none /a/m; echo x > /a/m/f; cat /a/m/f; mv /a/m /a/n 2> /dev/null || umount /a/m; ls /a/m; mount --bind /etc/hostname /a/file; cat /a/file; umount /a/file; cat /a/file'; // prettier-ignore
    const process = await machine.spawn(['sh', '-c', script]);
    expect(await process.stdout.text()).toBe('inner\nx\nvitrine\nfrom the host\n');
  });

  it('keep a file that the host replaces, and lose nothing of what both append', async () => {
    const running = sh('exec 3< file; echo own >> log; echo ready > ready; while [ ! -e go ]; do sleep 0.01; done; echo own >> log; cat <&3; stat -L -c "%h %s" /dev/fd/3; cat file'); // prettier-ignore
    while (!existsSync(join(host, 'ready'))) await new Promise((resolve) => setTimeout(resolve, 5));
    appendFileSync(join(host, 'log'), 'host\n');
    writeFileSync(join(host, 'new'), 'another\n');
    renameSync(join(host, 'new'), join(host, 'file'));
    writeFileSync(join(host, 'go'), '');
    expect(await running).toBe('from the host\n0 14\nanother\n');
    expect(readFileSync(join(host, 'log'), 'utf8')).toBe('own\nhost\nown\n');
  });

  it('are open again after a restore that grants them', async () => {
    const volumes = { '/work/here': { host } };
    const booted = await Machine.boot({ memory: '64m', volumes });
    const waiting = await booted.spawn(['sh', '-c', 'exec 3< file; read line; cat <&3 > copied'], { cwd: '/work/here', stdin: 'pipe' }); // prettier-ignore
    while (booted.processes().find(({ pid }) => pid === waiting.pid)?.state !== 'S') await new Promise((resolve) => setTimeout(resolve, 5)); // prettier-ignore
    const snapshot = booted.snapshot();
    await booted.close();
    machine = await Machine.restore(snapshot, { volumes });
    const again = await machine.spawn(['cat', '/work/here/file', `/proc/${waiting.pid}/fd/3`]);
    expect(await again.stdout.text()).toBe('from the host\nfrom the host\n');
    await machine.close();
    machine = await Machine.restore(snapshot);
    const without = await machine.spawn(['cat', '/work/here/file']);
    expect(await without.stderr.text()).toMatch(/I\/O error/);
  });

  it.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')(
    'belong to whom the host says, and new files to who makes them',
    async () => {
      chmodSync(host, 0o777);
      chownSync(join(host, 'file'), 1000, 7);
      expect(await sh('stat -c "%u %g" file; su user -s /bin/sh -c "echo x > theirs; mkdir d; ln -s x l"; stat -c "%u %g" theirs d l')).toBe('1000 7\n1000 1000\n1000 1000\n1000 1000\n'); // prettier-ignore
      expect(lstatSync(join(host, 'l')).uid).toBe(1000);
    },
  );
});
