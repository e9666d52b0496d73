bc -l <<'END'
scale=50; 4*a(1); e(1); l(2); s(1); c(1); sqrt(2); j(0,1)
scale=0; 2^1000; 10^30/7; -7/2; -7%3
define f(n) { if (n < 2) return n; return f(n-1) + f(n-2); }
f(18)
define p(n) { auto i; for (i = 2; i*i <= n; i++) if (n % i == 0) return 0; return 1; }
for (i = 2; i < 60; i++) if (p(i)) { print i, " " }
obase=16; 255; 2^64; ibase=16; FF; obase=A; FF; ibase=A
a[3]=7; a[3]++; a[3]; x=5; x^=2; x; length(12345); scale(1.234); last; (1<2) && (3>4) || !0; "str
"; if (1) { while (x > 20) { x -= 3; if (x < 15) break } }; x; 1/0; y = ; 3+4
END
echo $?; echo 'scale=2000; a(1)*4' | BC_LINE_LENGTH=0 bc -l | md5sum; echo '2^20000' | bc | md5sum; echo 'read()' | bc <(echo 'x = read(); x * 2; quit') <<< 21; bc -s <<< 'a = 1; a'; bc -w <<< 'print 5' 2>&1; echo $?; bc nothere; echo $?; dc -e '5 3 + p 2 100 ^ p 16 o 255 p' 2>/dev/null | head -0; echo 'define void v(x) { print x, "\n" } v(3)' | bc; echo 'for (i = 0; i < 100000; i++) s += i; s' | bc; bc -q <<< 'halt'; echo $?; echo 'obase=2; 1000; obase=7; .5; scale=3; obase=10; 1/3' | bc
