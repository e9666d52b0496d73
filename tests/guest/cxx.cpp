// link: -pthread
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <unordered_map>
#include <variant>
#include <vector>
struct Noisy {
  std::string n;
  explicit Noisy(std::string s) : n(std::move(s)) { std::cout << "make " << n << '\n'; }
  ~Noisy() { std::cout << "drop " << n << '\n'; }
};
struct Base {
  virtual ~Base() = default;
  virtual std::string name() const { return "base"; }
};
struct Derived : Base {
  std::string name() const override { return "derived"; }
};
struct Special : std::runtime_error {
  int code;
  Special(int c) : std::runtime_error("special"), code(c) {}
};
static int thrower(int depth) {
  Noisy n("frame" + std::to_string(depth));
  if (depth == 0) throw Special(42);
  return thrower(depth - 1) + 1;
}
int main() {
  try {
    thrower(3);
  } catch (const Special &e) { std::cout << e.what() << ' ' << e.code << '\n'; }
  try {
    try {
      throw 5;
    } catch (int i) {
      std::cout << "int " << i << '\n';
      throw;
    }
  } catch (...) { std::cout << "rethrown\n"; }
  try {
    std::vector<int>(3).at(10);
  } catch (const std::exception &e) { std::cout << typeid(e).name() << '\n'; }
  try {
    (void)std::stoi("abc");
  } catch (const std::invalid_argument &) { std::cout << "invalid argument\n"; }
  try {
    std::string s(static_cast<size_t>(-1) / 4, 'x');
  } catch (const std::exception &e) { std::cout << "length or memory\n"; }
  try {
    std::rethrow_exception(std::make_exception_ptr(Special(7)));
  } catch (Special &e) { std::cout << e.code << '\n'; }
  try {
    std::variant<int, std::string> v = 3;
    (void)std::get<std::string>(v);
  } catch (std::bad_variant_access &) { std::cout << "bad variant\n"; }
  std::unique_ptr<Base> b = std::make_unique<Derived>();
  std::cout << b->name() << ' ' << (dynamic_cast<Derived *>(b.get()) != nullptr) << ' '
            << typeid(*b).name() << '\n';
  try {
    Base plain;
    (void)dynamic_cast<Derived &>(plain);
  } catch (std::bad_cast &) { std::cout << "bad cast\n"; }
  std::mt19937 gen(12345);
  std::vector<unsigned> v(1000);
  for (auto &x : v) x = gen();
  std::sort(v.begin(), v.end());
  std::cout << v.front() << ' ' << v.back() << ' ' << std::accumulate(v.begin(), v.end(), 0ull)
            << '\n';
  std::map<std::string, int> m;
  std::istringstream in("the cat the dog the end");
  for (std::string w; in >> w;) m[w]++;
  for (auto &[k, c] : m) std::cout << k << '=' << c << ' ';
  std::unordered_map<int, int> um;
  for (int i = 0; i < 10000; i++) um[i * 7919 % 10007]++;
  std::cout << um.size() << '\n';
  std::cout << std::fixed << std::setprecision(3) << 3.14159 << std::scientific << ' ' << 12345.678
            << std::hex << ' ' << 255 << std::dec << std::setw(8) << std::setfill('*') << 42
            << '\n';
  std::cout << std::regex_replace(std::string("a1b22"), std::regex("[0-9]+"), "#") << '\n';
  std::atomic<int> n{0};
  std::mutex mu;
  std::condition_variable cv;
  std::deque<int> q;
  bool done = false;
  int sum = 0;
  std::thread consumer([&] {
    for (;;) {
      std::unique_lock l(mu);
      cv.wait(l, [&] { return !q.empty() || done; });
      if (q.empty()) return;
      sum += q.front();
      q.pop_front();
    }
  });
  std::vector<std::thread> ts;
  for (int t = 0; t < 4; t++)
    ts.emplace_back([&, t] {
      for (int i = 0; i < 100; i++) {
        {
          std::lock_guard l(mu);
          q.push_back(t * 100 + i);
        }
        cv.notify_one();
        n++;
      }
    });
  for (auto &t : ts) t.join();
  {
    std::lock_guard l(mu);
    done = true;
  }
  cv.notify_all();
  consumer.join();
  std::cout << n << ' ' << sum << '\n';
  auto f = std::async(std::launch::async, [] {
    throw Special(9);
    return 1;
  });
  try {
    f.get();
  } catch (Special &e) { std::cout << "from thread " << e.code << '\n'; }
  std::packaged_task<int(int)> task([](int x) { return x * x; });
  auto fut = task.get_future();
  std::thread(std::move(task), 12).join();
  std::cout << fut.get() << '\n';
  thread_local Noisy tl("tls");
  std::thread([] {
    thread_local Noisy x("thread tls");
    std::cout << x.n << '\n';
  }).join();
  {
    std::ofstream o("out.txt");
    o << "line1\nline2 " << 3.5 << '\n';
  }
  std::ifstream i("out.txt");
  for (std::string l; std::getline(i, l);) std::cout << '[' << l << "]\n";
  std::cout << tl.n << '\n';
  std::set_terminate([] {
    std::cout << "terminate\n" << std::flush;
    std::_Exit(3);
  });
  [&]() noexcept { throw 1; }();
}
