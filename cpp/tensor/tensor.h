// Tensor: a handle to shape, strides and dtype over a storage, with a link to the node that made it. Computes
// nothing.
#pragma once

#include <memory>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"
#include "tensor/storage.h"

namespace lamina {

class Tensor;
using Tensors = std::vector<Tensor>;

// What floor 5 hangs on a tensor: the node that made it. Its own type there is Node.
class Maker : public Counted<Maker> {
 public:
  virtual ~Maker() = default;
  virtual const char* name() const = 0;
  static void release(Maker* maker);  // breaks long chains up: no recursion, however deep the graph
};

struct TensorImpl;

// Present only on tensors that take part in differentiation.
struct GradMeta;

struct TensorImpl : Counted<TensorImpl> {
  Ref<Storage> storage;
  Shape shape, strides;
  int64_t offset = 0;  // elements from the start of the storage
  int64_t numel = 0;
  Dtype dtype = Dtype::Float32;
  bool wrapped = false;      // made from a Python number: weak in promotion
  bool unversioned = false;  // made by .data: changing it does not count as changing the original
  std::unique_ptr<GradMeta> grad_meta;
  Ref<TensorImpl> base;       // of a differentiable view: the tensor whose storage it looks at
  uint32_t base_history = 0;  // how often base had been rewritten when this view's maker was noted
  void* python = nullptr;     // the object that shows this tensor in Python, while there is one (bind's)

  TensorImpl();
  ~TensorImpl();
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorImpl* impl) : impl_(impl) {}
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return static_cast<bool>(impl_); }
  const Shape& shape() const { return impl_->shape; }
  const Shape& strides() const { return impl_->strides; }
  int64_t size(int i) const { return impl_->shape[i]; }
  int ndim() const { return impl_->shape.size(); }
  int64_t numel() const { return impl_->numel; }
  Dtype dtype() const { return impl_->dtype; }
  size_t item_size() const { return size_of(impl_->dtype); }
  int64_t offset() const { return impl_->offset; }
  Storage& storage() const { return *impl_->storage; }
  const Ref<Storage>& storage_ref() const { return impl_->storage; }
  Backend& backend() const { return impl_->storage->backend(); }
  const Kernels& kernels() const {  // TypeError of a complex tensor: kernels see its parts
    if (is_complex(dtype())) refuse_complex();
    return backend().kernels();
  }
  void* data() const {
    return static_cast<char*>(impl_->storage->data()) + impl_->offset * static_cast<int64_t>(item_size());
  }
  template <class T>
  T* data_as() const {
    return static_cast<T*>(data());
  }
  bool is_contiguous() const;
  // No two indices meet one address and no hole lies between: any permutation of a contiguous tensor.
  bool is_dense() const;
  uint32_t version() const { return impl_->storage->version(); }
  void bump_version() const {
    impl_->storage->written();
    if (!impl_->unversioned) impl_->storage->bump();
  }

  TensorImpl* impl() const { return impl_.get(); }
  const Ref<TensorImpl>& ref() const { return impl_; }
  bool same(const Tensor& o) const { return impl_ == o.impl_; }

 private:
  [[noreturn]] void refuse_complex() const;
  Ref<TensorImpl> impl_;
};

// Not initialised, contiguous.
Tensor empty(const Shape& shape, Dtype dtype, Backend& backend = cpu());
// Contiguous, computed when it is looked at.
Tensor pending(const Shape& shape, Dtype dtype, Backend& backend, Ref<Pending> work);
// Not initialised; dense inputs hand on their order of dimensions, others give a contiguous result.
Tensor empty_like(const Tensor& x, Dtype dtype);
inline Tensor empty_like(const Tensor& x) { return empty_like(x, x.dtype()); }
Tensor empty_strided(const Shape& shape, const Shape& strides, Dtype dtype, Backend& backend = cpu());

// Another look at the same storage, without a link to any maker. The geometry has been checked by the caller.
Tensor alias(const Tensor& x, const Shape& shape, const Shape& strides, int64_t offset);
inline Tensor alias(const Tensor& x) { return alias(x, x.shape(), x.strides(), x.offset()); }
// ShapeError unless every index of this geometry lies inside the storage.
void check_geometry(const Storage& storage, Dtype dtype, const Shape& shape, const Shape& strides,
                    int64_t offset, const char* op);

// May two indices of this geometry meet one address?
bool overlaps_itself(const Shape& shape, const Shape& strides);

// The strides that view x as `shape` without moving data; false where there are none.
bool view_strides(const Tensor& x, const Shape& shape, Shape* strides);
// Fills in one -1 and checks the count of elements.
Shape infer_shape(const Shape& wanted, int64_t numel, const char* op);

}  // namespace lamina
