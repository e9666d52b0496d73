import type { Current } from '../../include/current.ts';
import { serializable } from '../../include/serial.ts';
import { Inode, inode_init_owner } from '../inode.ts';
import type { SuperBlock } from '../super.ts';

/** A FIFO or socket in a folder of the host's, which the host is not told of: programs of the machine meet there. */
export class LocalInode extends Inode {
  constructor(current: Current, sb: SuperBlock, dir: Inode, mode: number) {
    super(sb, 2 ** 52 + sb.nextIno++, mode);
    inode_init_owner(current, this, dir);
  }

  static {
    serializable('LocalInode', this);
  }

  /** Found in its folder's list, not in the dentry cache. */
  override get dynamic(): boolean {
    return true;
  }
}
