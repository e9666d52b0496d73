# Commands without a terminal, then keys in one; what the screen shows at the end is compared.
export TERM=xterm
seq 1 200 > n; vim -es -u NONE -c '%s/\v(\d)(\d)/\2\1/g' -c 'g/3$/d' -c '10,20sort! n' -c 'norm ggOtop' -c 'wq' n; echo $?; md5sum n; head -12 n
cat > s.vim <<'END'
let l = map(range(1, 10), 'v:val * v:val') | call add(l, 'end') | let d = {'a': 1, 'b': [1, 2]}
func Fib(n) | return a:n < 2 ? a:n : Fib(a:n - 1) + Fib(a:n - 2) | endfunc
call writefile([string(l), string(d), string(Fib(15)), substitute('hello', 'l\+', 'L', ''), join(split('a:b:c', ':'), '-'), matchstr('x123y', '\d\+'), string(3.14 * 2), system('echo from shell'), strftime('%Y', 0), json_encode(d), printf('%05d %s', 42, 'x'), string(sort(keys(d))), reltimestr(reltime([0, 0], [1, 500000])), iconv('abc', 'utf-8', 'latin1'), sha256('abc')], 'out')
try | throw 'oops' | catch /oo/ | call writefile(['caught ' . v:exception], 'out', 'a') | endtry
qa!
END
vim -N -es -u NONE -i NONE -S s.vim; echo $?; cat out; echo secret > c; vim -es -u NONE -c 'set backup backupskip= backupext=.bak | %s/secret/public/ | wq' c; cat c c.bak; seq 5 | vim -es -u NONE -c '%join' -c '%print' -c 'qa!' -; vim -es -u NONE -c 'r !seq 3' -c 'w piped' -c 'cq 5'; echo $?; cat piped; vimdiff --version | head -1 | cut -c1-15
export LC_ALL=C.UTF-8; t() { tmux -L v "$@"; }; t -f /dev/null new-session -d -x 80 -y 20 'vim -u NONE -N -i NONE text'; k() { for x; do t send-keys -t 0 "$x"; sleep 0.15; done; }; show() { sleep 0.5; t capture-pane -p -t 0 | sed 's/ *$//'; echo ----; }
sleep 0.7; k i 'The quick brown fox' Enter 'jumps over' Enter 'the lazy dog' Escape gg dw A ' - end' Escape yyp ':set number' Enter; show; k '/lazy' Enter x u C-r 'ciw' 'sleepy' Escape ':split' Enter ':e /etc/hostname' Enter; show; k C-w o ':%s/./X/g' Enter u ':syntax on' Enter; show; k ':e! text' Enter G o 'ünï → 漢字' Escape Vk '>' ':wq' Enter; sleep 0.5; cat text; t kill-server 2> /dev/null; echo done
