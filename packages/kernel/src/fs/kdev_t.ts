/**
 * Device numbers, in the one encoding that stat(2), mknod(2) and makedev(3) share for majors below 4096:
 * minor bits 0–7, major bits 8–19, minor bits 8–19 from bit 20 on.
 */
export function MKDEV(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

export function MAJOR(dev: number): number {
  return (dev >>> 8) & 0xfff;
}

export function MINOR(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}
