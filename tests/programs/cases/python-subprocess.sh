cat > s.py <<'END'
import subprocess as s, os, signal, sys, time, pty, select, fcntl, resource, shlex, tempfile, termios, struct
r = s.run(['sh', '-c', 'cat; echo err >&2; exit 3'], input='in\n', text=True, capture_output=True); print(r.returncode, repr(r.stdout), repr(r.stderr)); print(s.check_output('echo $A', shell=True, env={'A': 'b'}), s.getstatusoutput('exit 5'))
for f in (lambda: s.check_call(['false']), lambda: s.run(['/nonexistent']), lambda: s.run(['sleep', '9'], timeout=0.1), lambda: s.run(['true'], cwd='/nope'), lambda: s.run(['/etc/passwd'])):
    try: f()
    except Exception as e: print(type(e).__name__, str(e).split(' after')[0][:60])
p1 = s.Popen(['seq', '100000'], stdout=-1); p2 = s.Popen(['grep', '7'], stdin=p1.stdout, stdout=-1); p1.stdout.close(); p3 = s.Popen(['wc', '-l'], stdin=p2.stdout, stdout=-1); p2.stdout.close(); print(p3.communicate()[0], p1.wait(), p2.wait()); p = s.Popen(['yes'], stdout=-1); p.stdout.read(10); p.stdout.close(); print(p.wait()); p = s.Popen(['sleep', '100']); p.send_signal(signal.SIGSTOP); print(os.WIFSTOPPED(os.waitpid(p.pid, os.WUNTRACED)[1])); p.kill(); print(p.wait())
big = os.urandom(3 << 20); print(s.run(['cat'], input=big, capture_output=True).stdout == big); r, w = os.pipe(); p = s.Popen(['sh', '-c', f'echo over {w} >&{w}'], pass_fds=[w]); os.close(w); print(os.read(r, 100).split()[0], p.wait()); p = s.Popen(['sh', '-c', 'ls /proc/self/fd | wc -l'], stdout=-1); print(p.communicate()[0].strip()); print(s.run(['sh', '-c', 'ps -o sid= -p $$ | grep -qw $$ && echo leader'], start_new_session=True, capture_output=True).stdout); print(s.run(['id', '-u'], user='nobody', group='nogroup', capture_output=True).stdout); print(s.run(['sh', '-c', 'umask; ulimit -n'], umask=0o77, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (50, 60)), capture_output=True, text=True).stdout.split())
pid, fd = pty.fork()
if pid == 0: os.execvp('sh', ['sh', '-c', 'stty size; read x; echo "got $x"; stty -echo; read y; echo "then $y"; exit 4'])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 99, 0, 0)); out = b''
def until(t):
    global out
    while t not in out: out += os.read(fd, 1000)
time.sleep(0.1); os.write(fd, b'hello\n'); until(b'got hello'); time.sleep(0.1); os.write(fd, b'quiet\n'); until(b'then quiet'); print(out.replace(b'\r', b'').split(b'\n')[-5:], os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
try: os.read(fd, 10)
except OSError as e: print(e.errno)
pid, fd = pty.fork()
if pid == 0: os.execvp('cat', ['cat'])
time.sleep(0.1); os.write(fd, b'\x03'); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); ps = [s.Popen(['sh', '-c', f'exit {i}']) for i in range(30)]; print(sum(p.wait() for p in ps)); st = os.posix_spawn('/bin/sh', ['sh', '-c', 'echo spawned; exit 6'], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 5)]); print(os.waitstatus_to_exitcode(os.waitpid(st, 0)[1])); print(os.system('exit 2') >> 8, os.popen('echo popen').read()); pid = os.fork()
if not pid: os.kill(os.getpid(), signal.SIGSEGV)
print(os.WTERMSIG(os.waitpid(pid, 0)[1])); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt > 0, os.times()[2] >= 0); pd = os.pidfd_open(s.Popen(['sleep', '0.05']).pid); print(select.select([pd], [], [], 3)[0] == [pd]); print(os.waitid(os.P_PIDFD, pd, os.WEXITED).si_code)
END
python3 -W ignore s.py; echo $?
