cat > m.py <<'END'
import multiprocessing as mp, os, time, sys, signal
from multiprocessing import shared_memory, managers
def sq(x): return x * x
def child(q, e, n): e.wait(); q.put((n, os.getpid() != os.getppid()))
def inc(v, l):
    for _ in range(500):
        with l: v.value += 1
def ping(c):
    while (m := c.recv()) != 'stop': c.send(m.upper())
    c.close()
def fail(): raise RuntimeError('no')
def shm(name): s = shared_memory.SharedMemory(name); s.buf[:5] = b'hello'; s.close()
def main(method):
    ctx = mp.get_context(method); print(method)
    with ctx.Pool(4) as p:
        print(p.map(sq, range(20)), p.apply(sq, (7,)), sum(p.imap_unordered(sq, range(100), 10)), p.starmap(pow, [(2, i) for i in range(8)]))
        try: p.apply(fail)
        except RuntimeError as x: print('raised', x)
    q, e = ctx.Queue(), ctx.Event(); ps = [ctx.Process(target=child, args=(q, e, i)) for i in range(5)]; [p.start() for p in ps]; e.set(); print(sorted(q.get(timeout=120) for _ in ps)); [p.join() for p in ps]; print([p.exitcode for p in ps])
    v, l = ctx.Value('i', 0), ctx.Lock(); ps = [ctx.Process(target=inc, args=(v, l)) for _ in range(4)]; [p.start() for p in ps]; [p.join() for p in ps]; print(v.value)
    a, b = ctx.Pipe(); p = ctx.Process(target=ping, args=(b,)); p.start(); a.send('abc'); print(a.recv(), a.poll(0)); a.send('x' * 200000); print(len(a.recv())); a.send('stop'); p.join()
    s = shared_memory.SharedMemory(create=True, size=100); p = ctx.Process(target=shm, args=(s.name,)); p.start(); p.join(); print(bytes(s.buf[:5]), sorted(x[:4] for x in os.listdir('/dev/shm') if x.startswith('psm'))); s.close(); s.unlink()
    p = ctx.Process(target=time.sleep, args=(100,)); p.start(); p.terminate(); p.join(); print(p.exitcode); p = ctx.Process(target=time.sleep, args=(100,)); p.start(); p.kill(); p.join(); print(p.exitcode, p.is_alive()); p = ctx.Process(target=sys.exit, args=(3,)); p.start(); p.join(); print(p.exitcode)
    arr = ctx.Array('d', 5); arr[:] = [1.5] * 5; print(sum(arr))
    with ctx.Manager() as m:
        d, li = m.dict(), m.list(range(3)); d['k'] = [1]; li.append(9); print(dict(d), list(li))
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(2, mp_context=ctx) as ex: print(list(ex.map(sq, range(5))))
if __name__ == '__main__':
    for m in sys.argv[1:]: main(m)
    print(mp.get_all_start_methods(), mp.active_children())
END
python3 m.py fork spawn forkserver; echo $?
