import { PAGE_SIZE } from '../include/ram.ts';

/** What messages count against a sender's buffer (sizes of include/linux/skbuff.h). */
const SKB = 256;
/** The end of each head. */
const SHARED_INFO = 320;
/** Room in a head of one page, and in one of four (SKB_MAX_HEAD(0), SKB_MAX_ALLOC). */
const SKB_MAX_HEAD: number = PAGE_SIZE - SHARED_INFO;
const SKB_MAX_ALLOC: number = 4 * PAGE_SIZE - SHARED_INFO;
/** Most pages in one piece. */
const MAX_ORDER = 3;
const FRAGS = 1 << (12 + MAX_ORDER);

/** Bytes of a stream that one message in the queue holds. */
export const STREAM_CHUNK: number = SKB_MAX_HEAD + FRAGS;

const pageAlign = (n: number): number => Math.ceil(n / PAGE_SIZE) * PAGE_SIZE;

/** The head's allocation is a power of two. */
function headSize(length: number): number {
  let size = 512;
  while (size < length + SHARED_INFO) size *= 2;
  return size;
}

/** Pages in pieces of 8, 4, 2 or one. */
function fragsSize(length: number): number {
  let sum = 0;
  for (let order = MAX_ORDER; length > 0;) {
    while (order > 0 && pageAlign(length) < PAGE_SIZE << order) order--;
    sum += PAGE_SIZE << order;
    length -= PAGE_SIZE << order;
  }
  return sum;
}

/** Memory that a message takes: a head, and pages for what is longer (sock_alloc_send_pskb as net/unix calls it). */
export function skb_truesize(length: number, stream: boolean): number {
  const over = Math.max(0, length - (stream ? SKB_MAX_HEAD : SKB_MAX_ALLOC));
  const paged = Math.min(length, pageAlign(over));
  return SKB + headSize(length - paged) + fragsSize(paged);
}
