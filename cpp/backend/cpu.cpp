// The processor as a device: which tables of kernels it can run, how many threads it has, and what fork()
// needs.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "backend/allocator.h"
#include "backend/backend.h"
#include "base/error.h"

namespace lamina {

// Each is defined by one object library, the same sources compiled for one ISA.
namespace scalar {
const Kernels& kernels();
}
#if defined(__x86_64__)
namespace avx2 {
const Kernels& kernels();
}
namespace avx512 {
const Kernels& kernels();
}
#elif defined(__aarch64__)
namespace neon {
const Kernels& kernels();
}
#endif

namespace {

struct Isa {
  const char* name;
  const Kernels& (*kernels)();
  bool (*runs)();
};

// In order of preference. __builtin_cpu_supports asks the CPU and the operating system (XGETBV).
const Isa kIsas[] = {
#if defined(__x86_64__)
    {"avx512", avx512::kernels,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");
     }},
    {"avx2", avx2::kernels,
     [] {
       return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
     }},
#elif defined(__aarch64__)
    {"neon", neon::kernels, [] { return true; }},
#endif
    {"scalar", scalar::kernels, [] { return true; }},
};

const Isa& find_isa(const std::string& name) {
  std::string known;
  for (const Isa& isa : kIsas) {
    if (!isa.runs()) continue;
    if (name.empty() || name == isa.name) return isa;
    known += std::string(known.empty() ? "" : ", ") + isa.name;
  }
  fail<ShapeError>("LAMINA_ISA: '", name, "' is not one of those this machine runs: ", known);
}

// What the container may use: the affinity mask, cut by the cgroup's quota.
int available_cores() {
  cpu_set_t set;
  int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota, period;
  if (file >> quota >> period && quota > 0 && period > 0)  // "max" does not parse as a number: no quota
    cores = std::min(cores, std::max(1, static_cast<int>(quota / period + 0.5)));
  return std::max(cores, 1);
}

int default_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n > 0) return n;
  }
  return available_cores();
}

constexpr int kMaxThreads = 1024;

class Cpu : public Backend {
 public:
  Cpu() {
    const char* wish = std::getenv("LAMINA_ISA");
    kernels_ = &find_isa(wish ? wish : "").kernels();
    set_threads(default_threads());
  }
  const char* device() const override { return "cpu"; }
  void* allocate(size_t bytes) override { return allocator_.allocate(bytes); }
  void release(void* data, size_t bytes) override { allocator_.release(data, bytes); }
  void empty_cache() override { allocator_.empty_cache(); }
  MemoryStats memory_stats() const override { return allocator_.stats(); }
  void wait() override {}

  void use(const Kernels& kernels) {
    kernels_ = &kernels;
    kernels_->set_threads(threads_);
  }
  void set_threads(int n) {
    threads_ = std::min(n, kMaxThreads);
    kernels_->set_threads(threads_);
  }
  int threads() const { return threads_; }
  CachingAllocator& allocator() { return allocator_; }

 private:
  CachingAllocator allocator_;
  int threads_ = 1;
};

Cpu& the_cpu() {
  static Cpu* cpu = [] {
    auto* made = new Cpu;  // never destroyed: tensors may outlive static objects
    // A child has none of the parent's threads: the kernels are told the number anew and start their own.
    pthread_atfork([] { the_cpu().allocator().mutex().lock(); },
                   [] { the_cpu().allocator().mutex().unlock(); },
                   [] {
                     the_cpu().allocator().mutex().unlock();
                     the_cpu().set_threads(the_cpu().threads());
                   });
    return made;
  }();
  return *cpu;
}

}  // namespace

Backend& cpu() { return the_cpu(); }

std::vector<std::string> cpu_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas)
    if (isa.runs()) names.push_back(isa.name);
  return names;
}

const Kernels& cpu_kernels(const std::string& name) { return find_isa(name).kernels(); }
void use_isa(const std::string& name) { the_cpu().use(cpu_kernels(name)); }

int num_threads() { return the_cpu().threads(); }
void set_num_threads(int n) {
  if (n < 1) fail<ShapeError>("set_num_threads: expected a positive number, got ", n);
  the_cpu().set_threads(n);
}

}  // namespace lamina
