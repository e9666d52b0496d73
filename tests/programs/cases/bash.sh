# Arrays, expansions, functions, traps, jobs, here documents, process substitution, coprocesses, regular expressions, arithmetic.
declare -A colour=([apple]=red [plum]=blue [leaf]=green)
for k in $(printf '%s\n' "${!colour[@]}" | sort); do echo "$k=${colour[$k]}"; done
a=(one two three four); echo "${a[@]:1:2} ${#a[@]} ${a[-1]} ${a[@]/o/0}"
s=hello.world.tar.gz; echo "${s%%.*} ${s%.*} ${s#*.} ${s##*.} ${s^^} ${s:6:5} ${s/world/moon} ${#s}"
[[ 2026-11-28 =~ ^([0-9]+)-([0-9]+)-([0-9]+)$ ]] && echo "${BASH_REMATCH[@]:1}"
echo $((2**40 + 0xff - 010)) $((-7 / 2)) $((-7 % 3)) $((1 ? 5 : 6))
fib() { local n=$1; ((n < 2)) && { echo $n; return; }; echo $(($(fib $((n - 1))) + $(fib $((n - 2))))); }
fib 10
trap 'echo trapped USR1' USR1; kill -USR1 $$; trap - USR1
(trap 'echo leaving $?' EXIT; exit 7); echo status $?
paste <(seq 1 5) <(seq 10 10 50) | while read -r x y; do echo $((x * y)); done
coproc tr a-z A-Z; echo coprocess >&${COPROC[1]}; exec {w}>&${COPROC[1]}-; exec {w}>&-; cat <&${COPROC[0]}; wait
mapfile -t lines < <(printf 'b\na\nc\n'); printf '<%s>' "${lines[@]}"; echo
cat <<-END
	indented $((1 + 1)) `echo back`
END
cat <<'END' | wc -c
$not expanded
END
set -o pipefail; true | false | true; echo pipe $? "${PIPESTATUS[*]}"
sleep 0.2 & p=$!; jobs | grep -c Running.*sleep; wait $p; echo waited $?
for i in 1 2 3 4 5; do (sleep 0.$((11 - 2 * i)); exit $i) & done; sum=0; while wait -n; s=$?; ((s != 127)); do ((sum += s)); done; echo sum $sum
select x in alpha beta; do echo "chose $x"; break; done <<< 2 2>/dev/null
IFS=: read -r user _ uid _ < <(grep ^daemon: /etc/passwd); echo $user $uid
shopt -s extglob nullglob globstar
mkdir -p d/e/f; touch d/{a,b}.txt d/e/c.txt d/e/f/g.h; echo d/**/*.@(txt|h) none*; echo {a..e}{1..2} {10..1..3}
printf '%5.2f|%-8s|%08x|%q\n' 3.14159 left 48879 "it's a \"q\""
x=(); x+=(z y); x[10]=far; echo "${!x[@]}"; unset 'x[0]'; echo "${x[@]}"
ulimit -n; umask 027; touch private; stat -c %a private
exec 3> out; echo to three >&3; exec 3>&-; cat out; ls /nonexistent; echo $?
case abc in a?c) echo glob;; esac; until ((i++ >= 7)); do :; done; echo $i
eval 'echo ${colour['plum']}'; declare -i n=5; n+=3; echo $n; declare -r c=1; (c=2) ; echo $?
time_format=$(TIMEFORMAT=%0R; time : 2>&1); type -t if cd ls fib; command -v ls; hash -r; echo done
bash -c 'kill -TERM $$'; echo $?
timeout 0.3 bash -c 'trap "" TERM; while :; do :; done' -s KILL & sleep 0.1; kill -KILL $! ; wait $!; echo $?
