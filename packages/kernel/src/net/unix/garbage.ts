import type { Kernel } from '../../include/kernel.ts';
import type { File } from '../../fs/file.ts';
import { SocketFile } from '../socket.ts';
import { UnixSock } from './af_unix.ts';

/**
 * Sockets that are held by messages only, which nobody can receive any more because they wait in those same sockets
 * (analogous to net/unix/garbage.c). Reference counts never free such a circle.
 */
export function unix_gc(kernel: Kernel): void {
  const found = scan(kernel);
  // Held by nothing but messages.
  const candidates = new Map<UnixSock, File>();
  for (const [file, refs] of found) {
    if (file.count === refs) candidates.set((file as SocketFile).sk as UnixSock, file);
  }
  if (candidates.size === 0) return;
  const live = liveSockets(candidates, found);
  const garbage = [...candidates.keys()].filter((sk) => !live.has(sk));
  // The circle is cut at every message at once; then the counts do the rest.
  const files = garbage.flatMap((sk) => sk.dropFds());
  for (const file of files) file.put(kernel);
}

/** Every socket file in a message, and in how many. Messages wait in sockets that are open, or themselves in messages. */
function scan(kernel: Kernel): Map<File, number> {
  const refs = new Map<File, number>();
  const seen = new Set<UnixSock>();
  const todo = roots(kernel);
  for (let sk = todo.pop(); sk !== undefined; sk = todo.pop()) {
    if (seen.has(sk)) continue;
    seen.add(sk);
    if (sk.peer !== null) todo.push(sk.peer);
    for (const skb of sk.queue) {
      if (skb.embryo !== null) todo.push(skb.embryo);
      todo.push(skb.sender);
      for (const file of skb.fds) {
        if (!(file instanceof SocketFile) || !(file.sk instanceof UnixSock)) continue;
        refs.set(file, (refs.get(file) ?? 0) + 1);
        todo.push(file.sk);
      }
    }
  }
  return refs;
}

/** Sockets with descriptors in their queues are remembered by the table; everything else is reached from them. */
function roots(kernel: Kernel): UnixSock[] {
  return [...kernel.vfs.unix.carriers];
}

/** Candidates that somebody outside the candidates can still reach. */
function liveSockets(candidates: Map<UnixSock, File>, refs: Map<File, number>): Set<UnixSock> {
  const inner = new Map<File, number>();
  for (const sk of candidates.keys()) {
    for (const skb of messages(sk))
      for (const file of skb) inner.set(file, (inner.get(file) ?? 0) + 1);
  }
  const live = new Set<UnixSock>();
  const todo: UnixSock[] = [];
  for (const [sk, file] of candidates)
    if ((refs.get(file) ?? 0) > (inner.get(file) ?? 0)) todo.push(sk);
  for (let sk = todo.pop(); sk !== undefined; sk = todo.pop()) {
    if (live.has(sk)) continue;
    live.add(sk);
    for (const skb of messages(sk)) {
      for (const file of skb) {
        const inside = (file as SocketFile).sk as UnixSock;
        if (candidates.has(inside)) todo.push(inside);
      }
    }
  }
  return live;
}

/** Socket files in the messages of a socket, and of connections that wait to be accepted. */
function* messages(sk: UnixSock): Generator<readonly File[]> {
  for (const skb of sk.queue) {
    yield skb.fds.filter((file) => file instanceof SocketFile && file.sk instanceof UnixSock);
    if (skb.embryo !== null) yield* messages(skb.embryo);
  }
}
