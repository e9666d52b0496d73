dash <<'END'
set -e
i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo $i
f() { echo "$# $*"; shift; echo "$1"; }
f a 'b c' d
x=abc/def/ghi; echo ${x##*/} ${x%/*} ${x#*/} ${#x} ${y:-unset} ${y:=now} $y
trap 'echo bye' EXIT
(trap 'echo term; exit 3' TERM; kill -TERM $(sh -c 'echo $PPID'); sleep 1; echo no) || echo $?
echo one two | { read a b; echo $b $a; }
cat <<A; cat <<'B'
$((6 * 7))
A
$((6 * 7))
B
for w in "$@" x y; do printf '[%s]' "$w"; done; echo
seq 20 | while read n; do case $n in *[02468]) ;; 1[0-9]) echo teen $n;; *) echo odd $n;; esac; done
{ echo out; echo err >&2; } 2>&1 | sort
sleep 0.1 & wait $!; echo $?
getopts ab: o -b val && echo $o $OPTARG
command -v echo; umask 77; umask; ulimit -n; test -t 0 || echo not a terminal
printf '%b %d %x %o\n' 'a\tb' 42 255 8
set -- $(echo 'w1 w2  w3'); echo $#
exec 4>/tmp/four; echo four >&4; exec 4>&-; cat /tmp/four
sh -c 'exit 300'; echo unreached
END
echo $?
dash -c 'echo $((' ; echo $?
dash -n -c 'if then' ; echo $?
echo 'echo from file; return 5' > s; dash s; echo $?
dash -c 'set -u; echo $nothing'; echo $?
