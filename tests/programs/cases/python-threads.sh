python3 - <<'END'
import threading, queue, time, sys, concurrent.futures as cf, signal, os, contextvars, weakref, gc, traceback
q, out, lock = queue.Queue(maxsize=10), [], threading.Lock()
def work():
    while (x := q.get()) is not None:
        with lock: out.append(x * x)
        q.task_done()
ts = [threading.Thread(target=work, name=f'w{i}') for i in range(8)]
for t in ts: t.start()
for i in range(2000): q.put(i)
q.join()
for t in ts: q.put(None)
for t in ts: t.join()
print(len(out), sum(out), [t.name for t in ts], threading.active_count())
n = 0
def add():
    global n
    for _ in range(5000):
        with lock: n += 1
ts = [threading.Thread(target=add) for _ in range(10)]
[t.start() for t in ts]; [t.join() for t in ts]; print(n)
c = threading.Condition(); ready = []
def waiter(i):
    with c:
        c.wait_for(lambda: ready); out.append(('woke', i))
out.clear(); ts = [threading.Thread(target=waiter, args=(i,)) for i in range(5)]; [t.start() for t in ts]; time.sleep(0.05)
with c: ready.append(1); c.notify_all()
[t.join() for t in ts]; print(sorted(out))
b = threading.Barrier(4); order = []
def phase(i):
    for p in range(3): b.wait(); order.append(p)
ts = [threading.Thread(target=phase, args=(i,)) for i in range(4)]; [t.start() for t in ts]; [t.join() for t in ts]; print(order)
s = threading.Semaphore(2); peak = cur = 0
def limited():
    global peak, cur
    with s:
        with lock: cur += 1; peak = max(peak, cur)
        time.sleep(0.005)
        with lock: cur -= 1
ts = [threading.Thread(target=limited) for _ in range(10)]; [t.start() for t in ts]; [t.join() for t in ts]; print(peak)
with cf.ThreadPoolExecutor(4) as ex:
    print(list(ex.map(lambda x: x ** 3, range(10))), sum(f.result() for f in cf.as_completed([ex.submit(pow, 2, i) for i in range(20)])))
    f = ex.submit(lambda: 1 / 0); print(type(f.exception()).__name__)
loc = threading.local(); seen = []
def tl(i): loc.x = i; time.sleep(0.01); seen.append(loc.x == i)
ts = [threading.Thread(target=tl, args=(i,)) for i in range(6)]; [t.start() for t in ts]; [t.join() for t in ts]; print(all(seen), hasattr(loc, 'x'))
e = threading.Event(); t = threading.Timer(0.05, e.set); t.start(); print(e.wait(2), e.wait(0)); e.clear(); t0 = time.monotonic(); print(e.wait(0.1), 0.09 < time.monotonic() - t0 < 1)
print(lock.acquire(timeout=0.1), lock.acquire(timeout=0.05), lock.acquire(blocking=False)); lock.release()
got = []; signal.signal(signal.SIGUSR1, lambda s, f: got.append((s, threading.current_thread() is threading.main_thread())))
t = threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGUSR1)); t.start(); t.join(); time.sleep(0.05); print(got)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}); t = threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR2)); t.start(); print(signal.sigwait({signal.SIGUSR2})); t.join(); print(signal.sigtimedwait({signal.SIGUSR2}, 0.05))
def boom(): raise ValueError('in thread')
threading.excepthook = lambda a: print('hook', a.exc_type.__name__, a.exc_value); t = threading.Thread(target=boom); t.start(); t.join()
print(threading.active_count(), open(f'/proc/self/task/{threading.get_native_id()}/comm').read().strip()); sys.setswitchinterval(1e-4); cnt = [0] * 4
def spin(i):
    x = 0
    for k in range(100000): x += k
    cnt[i] = x
ts = [threading.Thread(target=spin, args=(i,)) for i in range(4)]; [t.start() for t in ts]; [t.join() for t in ts]; print(cnt); threading.stack_size(65536 * 4); t = threading.Thread(target=print, args=('small stack',)); t.start(); t.join()
ts = [threading.Thread(target=time.sleep, args=(1.5,)) for _ in range(200)]; [t.start() for t in ts]; print(threading.active_count()); [t.join() for t in ts]; d = threading.Thread(target=time.sleep, args=(1000,), daemon=True); d.start(); print('leaving')
END
echo $?
