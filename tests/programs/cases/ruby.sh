cat > t.rb <<'END'
require 'json'; require 'set'; require 'socket'; require 'digest'; require 'tempfile'; require 'open3'; require 'timeout'; require 'erb'; require 'yaml'; require 'zlib'; require 'stringio'; require 'etc'; require 'pty'; require 'io/console'; require 'bigdecimal'; require 'monitor'
$stdout.sync = true
puts (1..10).map { |x| x * x }.select(&:even?).inject(:+), %w[pear fig apple].sort_by { |s| [s.size, s] }.inspect, { a: 1, 'b' => [2, nil] }.to_s
puts 2**200, 10.pow(50, 997), 1.0 / 3, 7.fdiv(2), -7 / 2, 1r / 3 + 2, Complex(1, 2) * Complex(3, 4), BigDecimal('1') / 3
def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2)
puts fib(20); puts "naïve café".scan(/\p{L}+/).map(&:upcase).join('|'), 'x1y22'.gsub(/\d+/) { |m| (m.to_i * 2).to_s }, 'CamelCase'.gsub(/([A-Z])/) { "_#{$1.downcase}" }
Point = Struct.new(:x, :y) { def +(o) = Point.new(x + o.x, y + o.y) }; p Point.new(1, 2) + Point.new(3, 4)
case { name: 'n', list: [1, [2, 3]] } in { name: String => n, list: [a, [*, b]] } then puts n, a, b end
q = Queue.new; threads = 4.times.map { |i| Thread.new { 250.times { |k| q << i * 250 + k } } }; threads.each(&:join); s = 0; s += q.pop until q.empty?; puts s
m = Mutex.new; n = 0; 8.times.map { Thread.new { 500.times { m.synchronize { n += 1 } } } }.each(&:join); puts n
r, w = IO.pipe; pids = 3.times.map { |i| fork { r.close; w.write "child #{i}\n"; exit! i } }; w.close; puts r.read.lines.sort; puts pids.map { |x| Process.wait2(x)[1].exitstatus }.inspect
srv = UNIXServer.new('/tmp/rb.sock'); t = Thread.new { c = srv.accept; c.puts c.gets.upcase; c.close }; c = UNIXSocket.new('/tmp/rb.sock'); c.puts 'over unix'; puts c.read; t.join
out, st = Open3.capture2e('cat; echo err >&2; exit 4', stdin_data: "in\n"); puts out, st.exitstatus; puts `echo tick; false`, $?.success?
begin; Timeout.timeout(0.1) { sleep 5 }; rescue Timeout::Error => e; puts e.class; end
trap('USR1') { puts 'signal' }; Process.kill('USR1', $$); sleep 0.05
e = Enumerator.new { |y| a, b = 0, 1; loop { y << a; a, b = b, a + b } }; puts e.lazy.select(&:odd?).first(8).inspect; f = Fiber.new { x = Fiber.yield 1; Fiber.yield x * 2; :done }; puts f.resume, f.resume(21), f.resume
puts JSON.pretty_generate('a' => [1, 2.5, nil, true], 'u' => "é\n"), { 'x' => [1, { 'y' => :z }] }.to_yaml, Digest::SHA256.hexdigest('abc'), Zlib::Inflate.inflate(Zlib::Deflate.deflate('z' * 1000)).size, ERB.new("<% 3.times do |i| %><%= i %>,<% end %>").result
Tempfile.create('t') { |f| f.write "l1\nl2\n"; f.flush; puts File.foreach(f.path).count, File.size(f.path), File.flock_test rescue puts 'no method' }
PTY.spawn('stty size; tty > /dev/null && echo tty') { |o, i, pid| begin; puts o.read.gsub("\r", ''); rescue Errno::EIO; puts 'eio'; end }
ra = Ractor.new { Ractor.receive * 2 } rescue nil; ra&.send(21); puts ra&.take
ObjectSpace.garbage_collect; h = Hash.new(0); 200_000.times { |i| h[(i * 7919) % 1013] += i }; puts h.values.max, h.size; puts Comparable.instance_methods.sort.inspect, [3, 1, 2].sort.reverse.each_slice(2).to_a.inspect, Time.at(0).utc.strftime('%F %T'), Etc.getpwuid(0).name, Dir.glob('/etc/apt/*').sort.first, File.stat('/etc/passwd').mode.to_s(8)
begin; raise ArgumentError, 'bad'; rescue => ex; puts "#{ex.class}: #{ex.message}"; ensure; puts 'ensured'; end; begin; File.open('/nonexistent'); rescue SystemCallError => ex; puts ex.message, ex.errno; end; def deep(n) = deep(n + 1); begin; deep(0); rescue SystemStackError => ex; puts ex.message; end
at_exit { puts 'bye' }; exit 3
END
ruby -W0 t.rb; echo $?; ruby --yjit -e 'def f(n) n < 2 ? n : f(n-1) + f(n-2) end; puts f(22)' 2>&1 | tail -1; ruby -ne 'puts $_.upcase if /root/' /etc/passwd; ruby -e 'puts [1,2' 2>&1 | tail -1 | cut -c1-60; ruby -e 'abort "x"'; echo $?; ruby -e 'Process.kill :KILL, $$'; echo $?; erb <<< '<%= 1 + 1 %>'; irb --version | cut -c1-4; gem list --local 2>/dev/null | grep -c .
