// Making tensors and telling what their geometry allows.
#include "tensor/tensor.h"

#include <algorithm>
#include <numeric>

namespace lamina {

bool Tensor::is_contiguous() const {
  int64_t expected = 1;
  for (int i = ndim() - 1; i >= 0; --i) {
    if (size(i) == 0) return true;
    if (size(i) != 1 && strides()[i] != expected) return false;
    expected *= size(i);
  }
  return true;
}

bool Tensor::is_dense() const {
  if (is_contiguous()) return true;
  int order[kMaxDim];
  std::iota(order, order + ndim(), 0);
  std::sort(order, order + ndim(), [this](int a, int b) { return strides()[a] < strides()[b]; });
  int64_t expected = 1;
  for (int i = 0; i < ndim(); ++i) {
    const int d = order[i];
    if (size(d) == 1) continue;
    if (strides()[d] != expected) return false;
    expected *= size(d);
  }
  return true;
}

namespace {

Tensor make(Ref<Storage> storage, const Shape& shape, const Shape& strides, int64_t numel, int64_t offset,
            Dtype dtype) {
  auto* impl = new TensorImpl;
  Tensor tensor(impl);
  impl->storage = std::move(storage);
  impl->shape = shape;
  impl->strides = strides;
  impl->numel = numel;
  impl->offset = offset;
  impl->dtype = dtype;
  return tensor;
}

Ref<Storage> new_storage(int64_t numel, Dtype dtype, Backend& backend) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(numel, static_cast<int64_t>(size_of(dtype)), &bytes))
    fail<MemoryError>("allocate: ", numel, " elements of ", name_of(dtype),
                      " are more bytes than 64 bits can count");
  return Ref<Storage>(new Storage(backend, static_cast<size_t>(bytes)));
}

}  // namespace

void Tensor::refuse_complex() const {
  fail<TypeError>("this op is not defined for complex numbers, got ", name_of(dtype()));
}

Tensor empty(const Shape& shape, Dtype dtype, Backend& backend) {
  const int64_t numel = numel_of(shape, "empty");
  return make(new_storage(numel, dtype, backend), shape, contiguous_strides(shape), numel, 0, dtype);
}

Tensor pending(const Shape& shape, Dtype dtype, Backend& backend, Ref<Pending> work) {
  const int64_t numel = numel_of(shape, "empty");
  const size_t bytes = static_cast<size_t>(numel) * size_of(dtype);
  return make(Ref<Storage>(new Storage(backend, bytes, std::move(work))), shape, contiguous_strides(shape),
              numel, 0, dtype);
}

Tensor empty_strided(const Shape& shape, const Shape& strides, Dtype dtype, Backend& backend) {
  const int64_t numel = numel_of(shape, "empty_strided");
  int64_t extent = numel ? 1 : 0;
  for (int i = 0; i < shape.size() && numel; ++i) {
    int64_t reach = 0;
    if (strides[i] < 0) fail<ShapeError>("empty_strided: negative stride in ", strides);
    if (__builtin_mul_overflow(shape[i] - 1, strides[i], &reach) ||
        __builtin_add_overflow(extent, reach, &extent))
      fail<ShapeError>("empty_strided: shape ", shape, " with strides ", strides,
                       " is larger than 64 bits can count");
  }
  return make(new_storage(extent, dtype, backend), shape, strides, numel, 0, dtype);
}

Tensor empty_like(const Tensor& x, Dtype dtype) {
  const bool keep = !x.is_contiguous() && x.is_dense();
  const Shape strides = keep ? x.strides() : contiguous_strides(x.shape());
  return make(new_storage(x.numel(), dtype, x.backend()), x.shape(), strides, x.numel(), 0, dtype);
}

Tensor alias(const Tensor& x, const Shape& shape, const Shape& strides, int64_t offset) {
  const int64_t numel = numel_of(shape, "view");
  Tensor out = make(x.storage_ref(), shape, strides, numel, offset, x.dtype());
  out.impl()->unversioned = x.impl()->unversioned;
  return out;
}

void check_geometry(const Storage& storage, Dtype dtype, const Shape& shape, const Shape& strides,
                    int64_t offset, const char* op) {
  if (shape.size() != strides.size())
    fail<ShapeError>(op, ": shape ", shape, " and strides ", strides, " differ in length");
  if (offset < 0) fail<ShapeError>(op, ": negative storage offset ", offset);
  int64_t last = offset;
  bool overflow = false;
  for (int i = 0; i < shape.size(); ++i) {
    if (strides[i] < 0) fail<ShapeError>(op, ": negative strides are not supported, got ", strides);
    if (shape[i] == 0) return;
    int64_t reach = 0;
    overflow |= __builtin_mul_overflow(shape[i] - 1, strides[i], &reach) ||
                __builtin_add_overflow(last, reach, &last);
  }
  const int64_t elements = static_cast<int64_t>(storage.bytes() / size_of(dtype));
  if (overflow || last >= elements)
    fail<ShapeError>(op, ": shape ", shape, " with strides ", strides, " and offset ", offset,
                     " leaves a storage of ", elements, " elements");
}

bool overlaps_itself(const Shape& shape, const Shape& strides) {
  std::vector<std::pair<int64_t, int64_t>> dims;  // stride, size
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return false;
    if (shape[d] > 1) dims.emplace_back(strides[d], shape[d]);
  }
  std::sort(dims.begin(), dims.end());
  int64_t reach = 0;  // of all smaller strides together
  for (const auto& [stride, size] : dims) {
    if (stride <= reach) return true;
    reach += stride * (size - 1);
  }
  return false;
}

bool view_strides(const Tensor& x, const Shape& shape, Shape* strides) {
  *strides = contiguous_strides(shape);
  if (x.numel() == 0 || x.is_contiguous()) return true;
  // First x without its size-1 dimensions and with runs that are dense in themselves merged: (size, stride)
  // pairs.
  Shape sizes, steps;
  for (int i = 0; i < x.ndim(); ++i) {
    if (x.size(i) == 1) continue;
    if (!sizes.empty() && steps.back() == x.strides()[i] * x.size(i)) {
      sizes.back() *= x.size(i);
      steps.back() = x.strides()[i];
    } else {
      sizes.push_back(x.size(i));
      steps.push_back(x.strides()[i]);
    }
  }
  // Then each new dimension, from the back, must be cut out of one run.
  int run = sizes.size() - 1;
  int64_t left = sizes.back(), step = steps.back();
  for (int i = shape.size() - 1; i >= 0; --i) {
    if (shape[i] == 1) continue;
    if (left == 1 && run > 0) {
      --run;
      left = sizes[run];
      step = steps[run];
    }
    if (left % shape[i] != 0) return false;
    (*strides)[i] = step;
    step *= shape[i];
    left /= shape[i];
  }
  return true;
}

Shape infer_shape(const Shape& wanted, int64_t numel, const char* op) {
  Shape shape = wanted;
  int hole = -1;
  int64_t known = 1;
  bool overflow = false;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      if (hole >= 0) fail<ShapeError>(op, ": only one dimension can be inferred, got ", wanted);
      hole = i;
    } else if (shape[i] < 0) {
      fail<ShapeError>(op, ": invalid shape dimension ", shape[i], " in ", wanted);
    } else {
      overflow |= __builtin_mul_overflow(known, shape[i], &known);
    }
  }
  if (hole >= 0 && known == 0)
    fail<ShapeError>(op, ": cannot infer the -1 in ", wanted, " since it could be any value (", numel,
                     " elements)");
  if (overflow || (hole >= 0 ? numel % known != 0 : numel != known))
    fail<ShapeError>(op, ": shape ", wanted, " is invalid for input of size ", numel);
  if (hole >= 0) shape[hole] = numel / known;
  return shape;
}

}  // namespace lamina
