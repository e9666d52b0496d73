cat > t.cpp <<'END'
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>
namespace fs = std::filesystem; template <class T> concept Num = std::is_arithmetic_v<T>; template <Num... T> auto total(T... x) { return (x + ... + 0); } struct Base { virtual ~Base() { std::cout << "~" << name() << "\n"; } virtual std::string name() const { return "base"; } }; struct Derived : Base { std::string name() const override { return "derived"; } ~Derived() override { std::cout << "~d\n"; } }; constexpr int fact(int n) { return n < 2 ? 1 : n * fact(n - 1); } static_assert(fact(5) == 120);
int main() {
  std::vector<int> v(1000); std::iota(v.begin(), v.end(), 0); std::shuffle(v.begin(), v.end(), std::mt19937(42)); std::cout << v[0] << " " << v[500] << "\n"; std::sort(v.begin(), v.end(), std::greater<>()); std::cout << v[0] << " " << std::accumulate(v.begin(), v.end(), 0LL) << " " << total(1, 2.5, 3L) << "\n"; std::unordered_map<std::string, int> m; for (int i = 0; i < 10000; i++) m["k" + std::to_string(i % 777)] += i; std::cout << m.size() << " " << m["k42"] << "\n"; try { throw std::out_of_range("oops"); } catch (const std::exception &e) { std::cout << e.what() << "\n"; } try { std::vector<int>().at(1); } catch (const std::out_of_range &) { std::cout << "range\n"; } { std::unique_ptr<Base> p = std::make_unique<Derived>(); std::cout << p->name() << " " << (dynamic_cast<Derived *>(p.get()) != nullptr) << "\n"; } std::variant<int, std::string> va = "text"; std::visit([](auto &x) { std::cout << x << "\n"; }, va); std::optional<int> o; std::cout << o.value_or(7) << "\n";
  std::atomic<int> n = 0; std::mutex mu; std::condition_variable cv; bool go = false; std::vector<std::thread> ts; for (int i = 0; i < 6; i++) ts.emplace_back([&] { std::unique_lock l(mu); cv.wait(l, [&] { return go; }); l.unlock(); for (int k = 0; k < 1000; k++) n++; }); { std::lock_guard l(mu); go = true; } cv.notify_all(); for (auto &t : ts) t.join(); std::cout << n << "\n"; auto f = std::async(std::launch::async, [] { return 6 * 7; }); std::promise<int> pr; auto pf = pr.get_future(); std::thread([&] { pr.set_exception(std::make_exception_ptr(std::runtime_error("from thread"))); }).join(); try { pf.get(); } catch (std::exception &e) { std::cout << e.what() << " " << f.get() << "\n"; } fs::create_directories("d/e"); std::ofstream("d/e/f") << "line1\nline2\n"; std::ifstream in("d/e/f"); std::string line; while (std::getline(in, line)) std::cout << line << "|"; for (auto &e : fs::recursive_directory_iterator("d")) std::cout << e.path().string() << " " << e.is_directory() << " "; std::cout << fs::file_size("d/e/f") << "\n"; std::ostringstream os; os << std::hex << 255 << std::fixed << 3.14159; std::cout << os.str() << " " << std::stod("2.5e3") << "\n"; auto t0 = std::chrono::steady_clock::now(); std::this_thread::sleep_for(std::chrono::milliseconds(20)); std::cout << (std::chrono::steady_clock::now() - t0 >= std::chrono::milliseconds(20)) << "\n"; std::thread([] { try { throw 5; } catch (int i) { std::cout << "int " << i << std::endl; } }).join(); throw std::logic_error("uncaught");
}
END
g++ -O1 -std=c++20 -pthread -o t t.cpp && ./t; echo $?; echo 'template<class T> struct A { typename T::x y; }; A<int> a;' > b.cpp; g++ -c b.cpp; echo $?; nm -C t | grep -c 'Derived::name'; c++filt _ZNKSt6vectorIiSaIiEE2atEm; g++ -fsyntax-only -x c++ - <<< 'int main() { auto l = [](auto x) { return x; }; return l(0); }'; echo $?
