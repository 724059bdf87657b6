// Matrix products: which way each one goes. The ways themselves are in gemm_block.h (tiles), gemm_thin.h (few
// rows) and gemm_integer.h.
#include "kernels/cpu/gemm_block.h"
#include "kernels/cpu/gemm_integer.h"
#include "kernels/cpu/gemm_thin.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {

namespace {

// Multiply-adds that are worth another thread.
constexpr int64_t kThreadGrain = 1 << 16;
// Multiply-adds from which a product of a batch is shared by all threads, rather than left to one.
constexpr int64_t kLargeProduct = 1 << 22;

int most_threads() {
  return static_cast<int>(min_of(__atomic_load_n(&thread_count, __ATOMIC_RELAXED), kMaxThreads));
}

// What gemm and gemm_scratch both conclude from shape and strides.
template <class S>
struct Plan {
  Product<S> product;
  int64_t batch;
  bool thin;
  int threads;  // that share one product
  int64_t
      groups;  // of products that one thread computes, several side by side; 0: one product after the other
  Blocking blocking;
  int64_t size;  // elements of scratch for one product

  size_t bytes() const {
    return static_cast<size_t>(groups ? min_of(most_threads(), groups) : 1) * static_cast<size_t>(size) *
           sizeof(Compute<S>);
  }
};

template <class S>
Plan<S> plan_of(const Gemm& given) {
  Gemm g = given;
  // One b for all, and an a and c that go on from batch to batch as from row to row: one product.
  if (g.batch > 1 && g.b_stride.batch == 0 && !(g.bias && g.bias_per_row) &&
      g.a_stride.batch == g.m * g.a_stride.row && g.c_stride.batch == g.m * g.c_stride.row) {
    g.m *= g.batch;
    g.batch = 1;
  }
  Plan<S> plan;
  plan.product = product_of<S>(g);
  plan.batch = g.batch;
  plan.thin = is_thin(plan.product);
  plan.blocking = blocking_of(plan.product);
  const int64_t size = plan.thin ? thin_scratch(plan.product) : plan.blocking.a_size + plan.blocking.b_size;
  plan.size = chunks_of(size, 16) * 16;
  const int64_t work = g.m * g.n * max_of(g.k, 1);
  plan.threads = static_cast<int>(max_of(1, min_of(most_threads(), work / kThreadGrain)));
  plan.groups = 0;
  if (g.batch > 1 && (work < kLargeProduct || g.batch >= 4 * most_threads())) {
    plan.groups = max_of(1, min_of(g.batch, min_of(8 * most_threads(), work * g.batch / kThreadGrain)));
  }
  return plan;
}

template <class S>
void multiply_one(const Plan<S>& plan, int64_t batch, Compute<S>* scratch, int threads) {
  const Product<S> product = plan.product.at(batch);
  if (plan.thin) {
    multiply_thin(product, scratch, threads > 1);
  } else if (threads == 1) {
    multiply_blocks(product, plan.blocking, scratch, Team{0, 1});
  } else {
#pragma omp parallel num_threads(threads)
    multiply_blocks(product, plan.blocking, scratch, Team{omp_get_thread_num(), omp_get_num_threads()});
  }
}

template <class S>
void multiply(const Gemm& g, void* memory) {
  const Plan<S> plan = plan_of<S>(g);
  Compute<S>* scratch = static_cast<Compute<S>*>(memory);
  if (plan.groups == 0) {
    for (int64_t i = 0; i < plan.batch; i++) multiply_one(plan, i, scratch, plan.threads);
    return;
  }
  parallel(plan.groups, [&](int64_t group) {
    Compute<S>* own = scratch + (plan.groups > 1 ? omp_get_thread_num() : 0) * plan.size;
    for (int64_t i = plan.batch * group / plan.groups; i < plan.batch * (group + 1) / plan.groups; i++) {
      multiply_one(plan, i, own, 1);
    }
  });
}

}  // namespace

void gemm(const Gemm& g, void* scratch) {
  if (g.batch == 0 || g.m == 0 || g.n == 0) return;
  switch (g.dtype) {
    case Dtype::Float32:
      return multiply<float>(g, scratch);
    case Dtype::Float64:
      return multiply<double>(g, scratch);
    case Dtype::Float16:
      return multiply<Half>(g, scratch);
    case Dtype::BFloat16:
      return multiply<BFloat16>(g, scratch);
    case Dtype::UInt8:
      return multiply_integers<uint8_t>(g);
    case Dtype::Int8:
      return multiply_integers<int8_t>(g);
    case Dtype::Int16:
      return multiply_integers<int16_t>(g);
    case Dtype::Int32:
      return multiply_integers<int32_t>(g);
    case Dtype::Int64:
      return multiply_integers<int64_t>(g);
    case Dtype::Bool:
      return;  // has no product; the caller knows
  }
}

size_t gemm_scratch(const Gemm& g) {
  if (g.batch == 0 || g.m == 0 || g.n == 0) return 0;
  switch (g.dtype) {
    case Dtype::Float32:
      return plan_of<float>(g).bytes();
    case Dtype::Float64:
      return plan_of<double>(g).bytes();
    case Dtype::Float16:
      return plan_of<Half>(g).bytes();
    case Dtype::BFloat16:
      return plan_of<BFloat16>(g).bytes();
    default:
      return 0;
  }
}

}  // namespace lamina::LAMINA_ISA
