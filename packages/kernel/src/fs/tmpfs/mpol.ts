import { EINVAL } from '@vitrine/uapi/errno.ts';
import { errno } from '../../include/errno.ts';

const MODES = [
  'default',
  'prefer',
  'bind',
  'interleave',
  'local',
  'prefer (many)',
  'weighted interleave',
];

/** The one node with memory. */
const NODES = '0';

/** Is it a list of nodes, all of which have memory: `0`, `0-0,0`? */
function subset(list: string): boolean {
  return list.split(',').every((range) => range === '' || /^0+(-0+)?$/.test(range));
}

/**
 * The memory policy of a tmpfs (mpol_parse_str), as /proc/mounts shows it: mode, `=static` or `=relative`, nodes. Memory has one
 * node, so that it is only told again. @returns '' for the default
 */
export function mpol_parse_str(text: string): string {
  const refuse = (): never => {
    throw errno(EINVAL, 'tmpfs: mpol={} is no memory policy', text);
  };
  const colon = text.indexOf(':');
  const list = colon < 0 ? null : text.slice(colon + 1);
  const [mode = '', flag] = (colon < 0 ? text : text.slice(0, colon)).split('=', 2);
  if (!MODES.includes(mode) || (list !== null && !subset(list))) return refuse();
  if (flag !== undefined && flag !== 'static' && flag !== 'relative') return refuse();
  const nodes = list !== null && /\d/.test(list);
  switch (mode) {
    case 'default':
      return list === null ? '' : refuse();
    case 'local':
      return list === null ? shown(mode, flag, false) : refuse();
    case 'prefer':
      if (list === null) return shown('local', flag, false);
      return /^\d+$/.test(list) ? shown(mode, flag, true) : refuse();
    case 'interleave':
    case 'weighted interleave':
      return shown(mode, flag, list === null || nodes);
    default:
      return list === null ? refuse() : shown(mode, flag, nodes);
  }
}

function shown(mode: string, flag: string | undefined, nodes: boolean): string {
  return mode + (flag === undefined ? '' : `=${flag}`) + (nodes ? `:${NODES}` : '');
}
