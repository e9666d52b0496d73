cat > a.py <<'END'
import asyncio, os, signal, sys, time, socket, contextlib
async def serve(r, w):
    while line := await r.readline(): w.write(line.upper()); await w.drain()
    w.close()
async def client(i):
    r, w = await asyncio.open_unix_connection('/tmp/a.sock'); out = []
    for k in range(20): w.write(f'client {i} line {k}\n'.encode()); out.append(await r.readline())
    w.close(); await w.wait_closed(); return len(out), out[-1]
async def main():
    srv = await asyncio.start_unix_server(serve, '/tmp/a.sock'); print(sorted(await asyncio.gather(*[client(i) for i in range(20)]))[:3]); srv.close(); await srv.wait_closed()
    t = time.monotonic(); await asyncio.gather(*[asyncio.sleep(0.1) for _ in range(500)]); print(0.1 <= time.monotonic() - t < 10)
    try: await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError: print('timeout')
    p = await asyncio.create_subprocess_exec('sort', '-n', stdin=-1, stdout=-1); print((await p.communicate('\n'.join(map(str, range(500, 0, -1))).encode()))[0].split()[:3], p.returncode)
    ps = [await asyncio.create_subprocess_shell(f'sleep 0.0{i}; exit {i}') for i in range(6)]; print(await asyncio.gather(*[p.wait() for p in ps])); p = await asyncio.create_subprocess_exec('sleep', '100'); p.terminate(); print(await p.wait())
    q = asyncio.Queue(3); res = []
    async def prod():
        for i in range(50): await q.put(i)
        await q.put(None)
    async def cons():
        while (x := await q.get()) is not None: res.append(x)
    await asyncio.gather(prod(), cons()); print(sum(res)); lk = asyncio.Lock(); sem = asyncio.Semaphore(2); ev = asyncio.Event(); log = []
    async def locked(i):
        async with lk: log.append(i); await asyncio.sleep(0)
    await asyncio.gather(*map(locked, range(5))); print(log); loop = asyncio.get_running_loop(); loop.add_signal_handler(signal.SIGUSR1, lambda: (print('USR1'), ev.set())); loop.call_later(0.02, os.kill, os.getpid(), signal.SIGUSR1); await ev.wait()
    print(await loop.run_in_executor(None, lambda: sum(range(100000))), await asyncio.to_thread(lambda: 'thread')); r, w = os.pipe(); fut = loop.create_future(); loop.add_reader(r, lambda: fut.set_result(os.read(r, 100))); loop.call_soon(os.write, w, b'via pipe'); print(await fut); loop.remove_reader(r)
    a, b = socket.socketpair(); a.setblocking(False); b.setblocking(False); data = os.urandom(1 << 20); 
    async def recv():
        got = b''
        while len(got) < len(data): got += await loop.sock_recv(b, 65536)
        return got
    _, got = await asyncio.gather(loop.sock_sendall(a, data), recv()); print(got == data)
    async def canc():
        try: await asyncio.sleep(10)
        except asyncio.CancelledError: print('cancelled'); raise
    t = asyncio.create_task(canc()); await asyncio.sleep(0); t.cancel(); print((await asyncio.gather(t, return_exceptions=True))[0].__class__.__name__)
    try:
        async with asyncio.TaskGroup() as tg: tg.create_task(asyncio.sleep(5)); tg.create_task(bad())
    except* ValueError as eg: print(len(eg.exceptions))
    async def gen():
        for i in range(3): await asyncio.sleep(0); yield i
    print([i async for i in gen()], loop.__class__.__name__, type(loop._selector).__name__)
async def bad(): raise ValueError
asyncio.run(main())
END
python3 -W ignore a.py; echo $?
