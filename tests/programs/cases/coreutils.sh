export TZ=UTC
seq 1 1000 > n; sort -R --random-source=/bin/ls n | sort -n | cmp - n && echo sorted
md5sum n; sha1sum n; sha256sum n; sha512sum n; b2sum n; cksum n; cksum -a sm3 n; sum n; sha256sum n > s; sha256sum -c s
split -l 300 -d n part; wc part*; cat part* | cmp - n; csplit -s n 100 500 '{0}'; wc -l xx*
head -3 n; tail -2 n; tail -c 5 n; tac n | head -2; shuf -i 1-100 -n 100 --random-source=/bin/ls | sort -n | uniq | wc -l
cut -c2- n | tail -3; paste -sd+ n | cut -c1-20; tr 0-9 a-j < n | tail -1; fold -w 7 <<< 'the quick brown fox'; fmt -w 20 <<< 'the quick brown fox jumps over the lazy dog'
printf 'b 1\na 2\nc 3\na 1\n' > t; sort -k1,1 -k2n t; sort -s -k1,1 t; sort -u -k1,1 t; sort -r t; printf '1.10\n1.9\n1.2\n' | sort -V; printf '2K\n1M\n3\n' | sort -h
printf 'a 1\nb 2\n' > l; printf 'a x\nc y\n' > r; join -a1 -a2 -e- -o 0,1.2,2.2 l r; comm l r; uniq -c <(sort t | cut -c1)
mkdir -p a/b/c; echo x > a/b/c/f; cp -a a z; ln -s a/b link; ln a/b/c/f hard; ls -l --time-style=+ a/b/c/f hard | cut -d' ' -f1-4; readlink -f link/c/f; realpath --relative-to=a/b z; du -a --apparent-size a/b/c/f; find z | sort; rm -r z; mv a/b/c/f a/g; ls -R a
install -m 640 -D n q/w/e; stat -c '%n %a %s %F %U %G %h' q/w/e; touch -d '2001-02-03 04:05:06.789' q/w/e; stat -c %y q/w/e; date -r q/w/e +%s.%N; date -d '2024-02-29 +1 year' +%F; date -d @86400 +%c; date -u -d '1 Jan 2000 12:00 EST'
truncate -s 1M sparse; stat -c '%s %b' sparse; dd if=/dev/zero of=sparse bs=1k count=4 seek=100 conv=notrunc status=none; stat -c '%s %b' sparse; cp --sparse=always sparse sp2; cmp sparse sp2; dd if=n bs=10 skip=2 count=3 status=none | od -An -c; dd if=n of=/dev/null bs=100 2>&1 | head -2
od -A d -t x1z n | head -3; base64 <<< 'hello world'; base64 -d <<< aGVsbG8K; base32 <<< hi; basenc --z85 <<< abc 2>&1; printf '%q %s %05d %e\n' 'a b' str 42 3.5; expr 5 \* 7; expr abc : 'a\(.*\)'; factor 1234567890123456789 2305843009213693951; numfmt --to=iec 1234567; numfmt --from=si 3M
seq -s, 0 0.5 3; seq -w 8 11; yes | head -3; nl -ba <<< $'x\n\ny'; pr -t -2 <(seq 6); expand <<< $'a\tb'; unexpand -a <<< 'a       b'; tsort <<< 'a b b c a c'; ptx <<< 'one two' ; rev <<< abc 2>/dev/null
basename /x/y.c .c; dirname /x/y; pwd; pathchk /x; test -e n && echo e; [ n -nt t ]; echo $?; env -i A=1 env; nice -n 5 nice; nohup true; id -un; id nobody; groups root; whoami; logname 2>&1; tty; hostname; uname -s; nproc > /dev/null; arch
timeout 0.2 sleep 5; echo $?; timeout -s KILL 0.2 sleep 5; echo $?; stdbuf -oL echo buf; mkfifo p; cat p & echo pipe > p; wait; mknod m p; ls -l --time-style=+ m | cut -c1-10; chmod u+s,g-w,o=x n; stat -c %A n; chown 1:2 n; stat -c %u:%g n; chgrp daemon n; stat -c %G n
shred -n 1 -u t; ls t; sync; rmdir -p q/w/e 2>&1; unlink hard; link n nn; stat -c %h n; mktemp -u XXXXXX | wc -c; df -P . | wc -l; runcon 2>&1 | head -1; chroot / true; echo $?
ls --color=always -F -d a n link m p; dircolors -b | head -c 50; ls -lh --time-style=+ sparse | cut -d' ' -f1,5; vdir -d --time-style=+ a | cut -c1-10; echo -e 'a\x41\n'; printf '\u00e9\n'; cat -A <<< $'\t\x01\xe9'; tee x1 x2 <<< tee; cmp x1 x2; od -tf8 -An <<< 12345678; kill -l | head -c 30; sort -m <(seq 1 3) <(seq 2 4) | tr '\n' ' '
cp nothere x; echo $?; cat nothere; rm a; mkdir a; ln -s x link; mv n a/nope/x; rmdir a; ls -d nothere; head -c 10 /dev/zero | od; sleep 0.01; false; echo $?
