cat > lib.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <complex.h>
#include <dlfcn.h>
static __thread int tls = 5; static jmp_buf jb; static void on(int s) { longjmp(jb, s); }
static void *run(void *a) { tls += *(int *)a; long s = 0; for (int i = 0; i < 100000; i++) s += i % (*(int *)a + 2); return (void *)(s + tls); }
static int cmp(const void *a, const void *b) { return *(int *)a - *(int *)b; }
struct bits { unsigned a : 3, b : 10; long double l; _Complex double c; };
int main(int argc, char **argv) {
  int v[1000]; unsigned x = 1; for (int i = 0; i < 1000; i++) v[i] = (x = x * 1103515245 + 12345) >> 8 & 0xffff; qsort(v, 1000, 4, cmp); printf("%d %d %d\n", v[0], v[500], v[999]);
  pthread_t t[4]; int n[4]; for (int i = 0; i < 4; i++) { n[i] = i; pthread_create(&t[i], 0, run, &n[i]); } for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); printf("%ld ", (long)r); } puts("");
  signal(SIGFPE, on); int s = setjmp(jb); if (!s) { volatile int z = 0; printf("%d\n", 1 / z); } else printf("signal %d\n", s); struct bits b = {5, 700, 1.5L, 1 + 2 * I}; printf("%u %u %Lg %g %zu %.6f %a\n", b.a, b.b, b.l * b.l, cimag(b.c * b.c), sizeof b, sin(1) + exp(0.5) + tgamma(4.5), 0.1);
  char buf[64]; snprintf(buf, 64, "%-5s|%05d|%+.2e|%#x", "ab", 42, 12345.678, 255); puts(buf); __int128 w = 1; for (int i = 0; i < 30; i++) w *= 7; printf("%llu %d %d\n", (unsigned long long)(w >> 10), __builtin_popcountll((long)w), __builtin_clz(1000)); typedef float v4 __attribute__((vector_size(16))); v4 p = {1, 2, 3, 4}, q = p * p + 1; printf("%g %g\n", q[0], q[3]); void *h = dlopen("./libx.so", RTLD_NOW); if (h) printf("%d\n", ((int (*)(int))dlsym(h, "twice"))(21)); else puts(dlerror()); return argc + tls;
}
END
echo 'int twice(int x) { return 2 * x; }' > x.c; gcc -shared -fPIC -o libx.so x.c; for o in -O0 -O2 -O3; do gcc $o -Wall -o t lib.c -lm -lpthread -ldl && ./t a b; echo $?; done; gcc -Os -static -o ts lib.c -lm 2> /dev/null; ./ts; echo $?; gcc -O2 -S -o - x.c | grep -vE '^\s*\.(file|ident|section)'; gcc -g -O1 -c lib.c -o l.o; nm l.o | grep -c ' [TtUDdBb] '; objdump -d x.o 2>/dev/null | head -0; gcc -O2 -flto -o tl lib.c -lm && ./tl | md5sum; gcc -fsanitize=undefined -o tu lib.c -lm 2> /dev/null && ./tu 2>&1 | grep -c runtime; echo 'int main() { int a[2]; return a[5] = b; }' > bad.c; gcc bad.c; echo $?; gcc -E -P - <<< $'#define A(x) x##1\nA(b) __LINE__'; ar rcs libx.a l.o; ar t libx.a; strip -o ts2 t; ./ts2 | md5sum; size t | tail -1 | wc -w; readelf -h t | grep -E 'Class|Type|Machine'; gcc -march=x86-64-v2 -O3 -ffast-math -o tv lib.c -lm && ./tv | md5sum; gcc -dumpversion; gcc -print-file-name=libc.so.6 | xargs basename; echo 'main(){puts("implicit");}' | gcc -w -xc - && ./a.out; as --version | head -1 | cut -c1-13; printf '.globl _start\n_start: mov $60,%%eax\nmov $9,%%edi\nsyscall\n' | as -o s.o - && ld -o s s.o && ./s; echo $?
