// Matrix products: which way each one goes. The ways themselves are in gemm_block.h (tiles), gemm_thin.h (few
// rows), gemm_bfloat.h (the CPU's units for bfloat16) and gemm_integer.h.
#include "kernels/cpu/gemm_bfloat.h"
#include "kernels/cpu/gemm_block.h"
#include "kernels/cpu/gemm_integer.h"
#include "kernels/cpu/gemm_thin.h"
#include "kernels/cpu/table.h"

namespace lamina::LAMINA_ISA {

namespace {

// Multiply-adds that are worth another thread.
constexpr int64_t kThreadGrain = 1 << 16;

// What gemm and gemm_scratch both conclude from shape and strides.
template <class S>
struct Plan {
  Product<S> product;
  int64_t batch;
  bool thin;
  int64_t threads;
  int64_t jobs;    // cells of all products; or products, if these are thin
  int64_t group;   // jobs that a thread takes at a time
  int64_t groups;  // of jobs
  Blocking blocking;
  int64_t size;  // elements of scratch for a thread

  size_t bytes() const {
    return static_cast<size_t>(min_of(most_threads(), groups) * size) * sizeof(Compute<S>);
  }
};

// One b for all, and an a and c that go on from batch to batch as from row to row: one product.
Gemm joined(Gemm g) {
  if (g.batch > 1 && g.b_stride.batch == 0 && !(g.bias && g.bias_per_row) &&
      g.a_stride.batch == g.m * g.a_stride.row && g.c_stride.batch == g.m * g.c_stride.row) {
    g.m *= g.batch;
    g.batch = 1;
  }
  return g;
}

template <class S>
Plan<S> plan_of(const Gemm& given) {
  const Gemm g = joined(given);
  Plan<S> plan = {};
  plan.product = product_of<S>(g);
  plan.batch = g.batch;
  plan.thin = is_thin(plan.product);
  if (!plan.thin && is_turned(plan.product)) {
    plan.product = plan.product.transposed();
    plan.product.a_kept = false;  // it is read in place
  }
  const int64_t work = g.m * g.n * max_of(g.k, 1);
  plan.threads = max_of(1, min_of(most_threads(), work * g.batch / kThreadGrain));
  if (plan.thin) {
    plan.jobs = g.batch;
    plan.size = chunks_of(thin_scratch(plan.product), 16) * 16;
  } else {
    plan.blocking = blocking_of(plan.product, g.batch < 4 * plan.threads ? plan.threads : 1);
    plan.jobs = g.batch * plan.blocking.cells();
    plan.size = chunks_of(plan.blocking.b_size + plan.blocking.a_size, 16) * 16;
  }
  plan.group =
      plan.threads == 1 ? plan.jobs : max_of(1, kThreadGrain / 2 / max_of(1, work * g.batch / plan.jobs));
  plan.groups = chunks_of(plan.jobs, plan.group);
  return plan;
}

template <class T>
size_t packed_bytes(const Plan<T>& plan) {
  return plan.thin ? 0 : static_cast<size_t>(packed_size(plan.product, plan.blocking)) * sizeof(T);
}

template <class S>
void multiply(const Gemm& g, void* memory) {
  const Plan<S> plan = plan_of<S>(g);
  Compute<S>* scratch = static_cast<Compute<S>*>(memory);
  if (plan.thin && plan.batch < plan.threads) {
    for (int64_t i = 0; i < plan.batch; i++) multiply_thin(plan.product.at(i), scratch, true);
    return;
  }
  const auto group = [&](int64_t index, Compute<S>* own) {
    for (int64_t job = index * plan.group; job < min_of(plan.jobs, (index + 1) * plan.group); job++) {
      if (plan.thin) {
        multiply_thin(plan.product.at(job), own, false);
      } else {
        const int64_t cells = plan.blocking.cells();
        multiply_cell(plan.product.at(job / cells), plan.blocking, job % cells, own);
      }
    }
  };
  if (plan.groups == 1) return group(0, scratch);
  parallel(plan.groups, [&](int64_t index) { group(index, scratch + thread_index() * plan.size); });
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
      return takes_bfloat(joined(g)) ? multiply_bfloat(joined(g), scratch) : multiply<BFloat16>(g, scratch);
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
      return takes_bfloat(joined(g)) ? bfloat_scratch(joined(g)) : plan_of<BFloat16>(g).bytes();
    default:
      return 0;
  }
}

void gemm_pack(const Gemm& g, void* packed) {
  if (g.dtype == Dtype::Float64) return pack_kept(plan_of<double>(g).product, static_cast<double*>(packed));
  pack_kept(plan_of<float>(g).product, static_cast<float*>(packed));
}
size_t gemm_pack_size(const Gemm& g) {
  if (g.batch == 0 || g.m == 0 || g.n == 0) return 0;
  if (g.dtype == Dtype::Float64) return packed_bytes(plan_of<double>(g));
  return g.dtype == Dtype::Float32 ? packed_bytes(plan_of<float>(g)) : 0;
}

}  // namespace lamina::LAMINA_ISA
