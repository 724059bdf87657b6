// Times single kernels of every table this machine runs, on one thread and in that core's cache, so that
// instruction sets compare by arithmetic. Whole workloads, and other libraries, are compare.py's. Usage:
// kernels_bench [WORD]
#define ANKERL_NANOBENCH_IMPLEMENT
#include <nanobench.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace {

using namespace lamina;

constexpr int64_t kCount = 1 << 16;  // 256 KB of float32 per array
constexpr int64_t kRows = 256;

// Arrays of the shared inputs, aligned and touched.
class Array {
 public:
  explicit Array(int64_t n) : scratch_(cpu(), static_cast<size_t>(n) * sizeof(float)) {
    for (int64_t i = 0; i < n; ++i) data()[i] = 0.5f + static_cast<float>(i % 97) / 97;
  }
  float* data() const { return static_cast<float*>(scratch_.data()); }

 private:
  Scratch scratch_;
};

Walk dense(std::initializer_list<void*> arrays) {
  Walk walk{};
  walk.ndim = 1;
  walk.shape[0] = kCount;
  for (void* array : arrays) {
    walk.strides[walk.operands][0] = 1;
    walk.data[walk.operands++] = array;
  }
  return walk;
}

class Leaves {
 public:
  Leaves(const Kernels& kernels, const char* word) : kernels_(kernels), word_(word) {
    bench_.title(kernels.name).warmup(3).minEpochTime(std::chrono::milliseconds(5));
  }

  void run() {
    elementwise();
    reductions();
    products();
    others();
  }

 private:
  template <class Call>
  void leaf(const std::string& name, double work, const char* unit, Call call) {
    if (name.find(word_) == std::string::npos) return;
    bench_.batch(work).unit(unit).run(std::string(kernels_.name) + " " + name, call);
  }

  void unary(const char* name, UnaryOp op) {
    const Walk walk = dense({y_.data(), x_.data()});
    const double p[2] = {};
    leaf(name, kCount, "float", [&] { kernels_.unary(op, Dtype::Float32, walk, p); });
    const Walk grad = dense({y_.data(), z_.data(), x_.data()});
    leaf(std::string(name) + "_grad", kCount, "float",
         [&] { kernels_.unary_grad(op, Dtype::Float32, grad, p); });
  }

  void elementwise() {
    unary("exp", UnaryOp::Exp);
    unary("log", UnaryOp::Log);
    unary("tanh", UnaryOp::Tanh);
    unary("sigmoid", UnaryOp::Sigmoid);
    unary("gelu", UnaryOp::Gelu);
    unary("sin", UnaryOp::Sin);
    unary("relu", UnaryOp::Relu);
    const Walk walk = dense({y_.data(), x_.data(), z_.data()});
    const double p[1] = {1};
    leaf("add", kCount, "float", [&] { kernels_.binary(BinaryOp::Add, Dtype::Float32, walk, p); });
    leaf("mul", kCount, "float", [&] { kernels_.binary(BinaryOp::Mul, Dtype::Float32, walk, p); });
    leaf("pow", kCount, "float", [&] { kernels_.binary(BinaryOp::Pow, Dtype::Float32, walk, p); });
    const Walk pair = dense({y_.data(), x_.data()});
    leaf("copy", kCount, "float", [&] { kernels_.copy(Dtype::Float32, Dtype::Float32, pair); });
    leaf("copy to bfloat16", kCount, "float", [&] { kernels_.copy(Dtype::BFloat16, Dtype::Float32, pair); });
  }

  // x_ as kRows rows; one of its two dimensions is summed away.
  Reduce sum_of(bool rows) {
    const int64_t columns = kCount / kRows;
    Reduce reduce{};
    reduce.op = ReduceOp::Sum;
    reduce.in_dtype = reduce.out_dtype = Dtype::Float32;
    reduce.in = x_.data();
    reduce.out = y_.data();
    reduce.scale = 1;
    reduce.kept_ndim = reduce.reduced_ndim = 1;
    reduce.kept_shape[0] = rows ? kRows : columns;
    reduce.kept_in_strides[0] = rows ? columns : 1;
    reduce.kept_out_strides[0] = 1;
    reduce.reduced_shape[0] = rows ? columns : kRows;
    reduce.reduced_strides[0] = rows ? 1 : columns;
    return reduce;
  }

  void reductions() {
    for (const bool rows : {true, false}) {
      const Reduce reduce = sum_of(rows);
      const Scratch scratch(cpu(), kernels_.reduce_scratch(reduce));
      leaf(rows ? "sum of rows" : "sum of columns", kCount, "float",
           [&] { kernels_.reduce(reduce, scratch.data()); });
    }
    const Rows rows{Dtype::Float32, kRows, kCount / kRows, 1};
    leaf("softmax", kCount, "float", [&] { kernels_.softmax(false, rows, x_.data(), y_.data()); });
    leaf("log_softmax", kCount, "float", [&] { kernels_.softmax(true, rows, x_.data(), y_.data()); });
    leaf("cumsum", kCount, "float",
         [&] { kernels_.scan(ScanOp::Sum, Dtype::Float32, rows, x_.data(), y_.data()); });
    leaf("argmax", kCount, "float", [&] { kernels_.arg_reduce(true, rows, x_.data(), y_.data(), nullptr); });
    const Scratch scratch(cpu(), kernels_.sort_scratch(rows));
    const Scratch order(cpu(), kCount * sizeof(int64_t));
    leaf("sort", kCount, "float", [&] {
      kernels_.sort(false, rows, x_.data(), y_.data(), static_cast<int64_t*>(order.data()), scratch.data());
    });
  }

  void product(int64_t m, int64_t n, int64_t k) {
    const Array a(m * k), b(k * n), c(m * n);
    Gemm gemm{};
    gemm.dtype = Dtype::Float32;
    gemm.batch = 1;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.a = a.data();
    gemm.b = b.data();
    gemm.c = c.data();
    gemm.a_stride = {k, 1, 0};
    gemm.b_stride = {n, 1, 0};
    gemm.c_stride = {n, 1, 0};
    gemm.alpha = 1;
    const Scratch scratch(cpu(), kernels_.gemm_scratch(gemm));
    const std::string name = "gemm " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
    leaf(name, 2.0 * static_cast<double>(m * n * k), "flop", [&] { kernels_.gemm(gemm, scratch.data()); });
  }

  void products() {
    product(64, 64, 64);
    product(256, 256, 256);
    product(512, 512, 512);
    product(64, 128, 784);
    product(1, 512, 512);
  }

  void others() {
    leaf("random normal", kCount, "float", [&] {
      kernels_.random(Distribution::Normal, Dtype::Float32, y_.data(), kCount, Random{1, 0}, 0.0, 1.0);
    });
    const Array m(kCount), v(kCount);
    const OptimItem item{y_.data(), x_.data(), {m.data(), v.data(), nullptr}, kCount, false};
    OptimStep step{};
    step.kind = OptimStep::Kind::Adam;
    step.dtype = Dtype::Float32;
    step.count = step.step = 1;
    step.items = &item;
    step.lr = 1e-3;
    step.eps = 1e-8;
    step.beta1 = 0.9;
    step.beta2 = 0.999;
    leaf("adam", kCount, "float", [&] { kernels_.optim_step(step); });
  }

  const Kernels& kernels_;
  const char* word_;
  ankerl::nanobench::Bench bench_;
  Array x_{kCount}, y_{kCount}, z_{kCount};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && std::strcmp(argv[1], "--help") == 0)) {
    std::puts("kernels_bench [WORD]: times the kernels whose name contains WORD, on one thread");
    return argc > 2;
  }
  set_num_threads(1);  // of the table in use; the others are told one by one
  for (const std::string& isa : cpu_isas()) {
    const Kernels& kernels = cpu_kernels(isa);
    kernels.set_threads(1);
    Leaves(kernels, argc == 2 ? argv[1] : "").run();
  }
}
