// Shapes, strides and lists of dimensions: a short vector of int64 that lives inline.
#pragma once

#include <cstring>
#include <initializer_list>
#include <iosfwd>
#include <vector>

#include "base/error.h"
#include "base/limits.h"

namespace lamina {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> values) { assign(values.begin(), values.size()); }
  Shape(const std::vector<int64_t>& values) { assign(values.data(), values.size()); }
  Shape(const int64_t* values, size_t n) { assign(values, n); }
  Shape(size_t n, int64_t value) {
    check(n);
    size_ = static_cast<int>(n);
    for (int i = 0; i < size_; ++i) values_[i] = value;
  }
  Shape(const Shape& other) { copy(other); }
  Shape& operator=(const Shape& other) {
    copy(other);
    return *this;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& back() { return values_[size_ - 1]; }
  int64_t back() const { return values_[size_ - 1]; }
  int64_t* begin() { return values_; }
  int64_t* end() { return values_ + size_; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }

  void push_back(int64_t value) {
    check(size_ + 1);
    values_[size_++] = value;
  }
  void insert(int at, int64_t value) {
    check(size_ + 1);
    std::memmove(values_ + at + 1, values_ + at, (size_ - at) * sizeof(int64_t));
    values_[at] = value;
    ++size_;
  }
  void erase(int at) {
    std::memmove(values_ + at, values_ + at + 1, (size_ - at - 1) * sizeof(int64_t));
    --size_;
  }

  bool operator==(const Shape& o) const {
    return size_ == o.size_ && std::memcmp(values_, o.values_, size_ * sizeof(int64_t)) == 0;
  }
  bool operator!=(const Shape& o) const { return !(*this == o); }

 private:
  static void check(size_t n) {
    if (n > static_cast<size_t>(kMaxDim))
      fail<ShapeError>("a tensor has at most ", kMaxDim, " dimensions, got ", n);
  }
  void assign(const int64_t* values, size_t n) {
    check(n);
    size_ = static_cast<int>(n);
    std::memcpy(values_, values, n * sizeof(int64_t));
  }
  void copy(const Shape& o) {
    size_ = o.size_;
    std::memcpy(values_, o.values_, size_ * sizeof(int64_t));
  }

  int size_ = 0;
  int64_t values_[kMaxDim];
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);  // [2, 3]

// The number of elements; ShapeError where a size is negative or the product leaves int64.
int64_t numel_of(const Shape& shape, const char* op = "tensor");
// Row-major strides, counted in elements.
Shape contiguous_strides(const Shape& shape);
// NumPy's broadcasting of two shapes; ShapeError names `op` and both shapes.
Shape broadcast(const Shape& a, const Shape& b, const char* op);
// dim in [-ndim, ndim) to [0, ndim); a 0-d tensor is treated as 1-d. IndexError otherwise.
int wrap_dim(int64_t dim, int ndim, const char* op);

}  // namespace lamina
