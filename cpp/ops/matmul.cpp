// Matrix products. Everything ends in one batched gemm whose strides make transposes free.
#include "ops/autocast.h"
#include "ops/complex.h"
#include "tensor/derived.h"

namespace lamina::ops {
namespace {

void same_type(const char* op, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail<TypeError>(op, ": expected both operands to have the same dtype, but got ", name_of(a.dtype()),
                    " and ", name_of(b.dtype()));
}

// a (batch, m, k) @ b (batch, k, n); batch strides may be 0. bias (n) or undefined. b_kept: b, of one batch,
// is likely to be multiplied again.
Tensor gemm(const Tensor& a, const Tensor& b, const Tensor& bias, bool b_kept = false) {
  const Tensor c = empty({a.size(0), a.size(1), b.size(2)}, a.dtype());
  if (c.numel() == 0) return c;
  Gemm g{};
  g.dtype = a.dtype();
  g.batch = a.size(0);
  g.m = a.size(1);
  g.n = b.size(2);
  g.k = a.size(2);
  g.a = a.data();
  g.b = b.data();
  g.c = c.data();
  const auto strides = [](const Tensor& t) {
    return MatrixStride{t.strides()[1], t.strides()[2], t.strides()[0]};
  };
  g.a_stride = strides(a);
  g.b_stride = strides(b);
  g.c_stride = strides(c);
  g.alpha = 1;
  g.bias = bias.defined() ? bias.data() : nullptr;
  Tensors kept;
  if (b_kept) {
    g.kept = Side::B;
    if (const size_t bytes = a.kernels().gemm_pack_size(g)) {
      kept = derived({b}, {static_cast<int64_t>(g.dtype), g.k, g.n}, [&] {
        const Tensor packed = empty({static_cast<int64_t>(bytes)}, Dtype::UInt8);
        a.kernels().gemm_pack(g, packed.data());
        return Tensors{packed};
      });
      if (!kept.empty()) g.packed = kept[0].data();
    }
  }
  const Scratch scratch(a.backend(), a.kernels().gemm_scratch(g));
  a.kernels().gemm(g, scratch.data());
  return c;
}

Tensor batched(const Tensor& a, const Tensor& b) {
  const Tensor c = gemm(a, b, Tensor());
  if (recording(a, b))
    record("BmmBackward0", c, {&a, &b},
           [a = Saved(recording(b) ? a : Tensor()),
            b = Saved(recording(a) ? b : Tensor())](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             return {back.needs(0) ? batched(g, transpose(b.get(back), 1, 2)) : Tensor(),
                     back.needs(1) ? batched(transpose(a.get(back), 1, 2), g) : Tensor()};
           });
  return c;
}

// (..., m, k) @ (..., k, n) of complex numbers as one product of reals, (..., m, 2k) @ (..., 2k, 2n): beside
// the rows of y stand those of i y.
Tensor complex_matmul(const Tensor& x, const Tensor& y) {
  const Tensor iy = mul(y, Scalar::complex(0, 1));
  const auto merged = [](const Tensor& pairs, int at) {  // dimensions at and at + 1 become one
    Shape shape = pairs.shape();
    shape[at] *= shape[at + 1];
    shape.erase(at + 1);
    return reshape(pairs, shape);
  };
  const int rows = y.ndim() - 2;
  const Tensor right = merged(merged(view_as_real(stack({y, iy}, rows + 1)), rows + 2), rows);
  const Tensor flat = matmul(merged(view_as_real(x), x.ndim() - 1), right);
  Shape shape = flat.shape();
  shape.back() /= 2;
  shape.push_back(2);
  return view_as_complex(reshape(flat, shape));
}

[[noreturn]] void misfit(const Tensor& x, const Tensor& y) {
  fail<ShapeError>("matmul: mat1 and mat2 shapes cannot be multiplied (", x.shape(), " and ", y.shape(), ")");
}

}  // namespace

Tensor matmul(const Tensor& x, const Tensor& y) {
  if (autocasting()) return autocast(matmul, x, y);
  if (x.ndim() == 0 || y.ndim() == 0)
    fail<ShapeError>("matmul: both arguments need to be at least 1D, but they are ", x.ndim(), "D and ",
                     y.ndim(), "D");
  same_type("matmul", x, y);
  if (x.size(x.ndim() - 1) != y.size(y.ndim() == 1 ? 0 : y.ndim() - 2)) misfit(x, y);
  if (is_complex(x.dtype())) {
    if (y.ndim() != 1) return complex_matmul(x, y);
    const Tensor column = complex_matmul(x, unsqueeze(y, 1));
    return squeeze(column, {column.ndim() - 1});
  }
  if (x.ndim() == 2 && y.ndim() == 2) return squeeze(batched(unsqueeze(x, 0), unsqueeze(y, 0)), {0});
  const Tensor a = x.ndim() == 1 ? unsqueeze(x, 0) : x;
  const Tensor b = y.ndim() == 1 ? unsqueeze(y, 1) : y;
  Shape front_a(a.shape().begin(), a.ndim() - 2), front_b(b.shape().begin(), b.ndim() - 2);
  const int64_t m = a.size(a.ndim() - 2), k = a.size(a.ndim() - 1), n = b.size(b.ndim() - 1);
  Shape out = broadcast(front_a, front_b, "matmul");
  Tensor c;
  if (b.ndim() == 2) {  // one matrix for all: the batch joins the rows
    const int64_t joined = numel_of(front_a) * m;
    c = batched(reshape(a, {1, joined, k}), unsqueeze(b, 0));
  } else {
    const int64_t batch = numel_of(out);
    Shape full_a = out, full_b = out;
    for (int64_t v : {m, k}) full_a.push_back(v);
    for (int64_t v : {k, n}) full_b.push_back(v);
    c = batched(reshape(expand(a, full_a), {batch, m, k}), reshape(expand(b, full_b), {batch, k, n}));
  }
  if (x.ndim() != 1) out.push_back(m);
  if (y.ndim() != 1) out.push_back(n);
  return reshape(c, out);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (autocasting()) return autocast(linear, x, weight, bias);
  if (weight.ndim() == 1 && !bias.defined()) return matmul(x, weight);
  if (x.ndim() == 0 || weight.ndim() != 2 || x.size(x.ndim() - 1) != weight.size(1))
    fail<ShapeError>("linear: input ", x.shape(), " and weight ", weight.shape(),
                     " cannot be multiplied; expected (..., in) and (out, in)");
  same_type("linear", x, weight);
  if (bias.defined()) {
    same_type("linear", x, bias);
    if (bias.ndim() > 1 || (bias.numel() != weight.size(0) && bias.numel() != 1))
      fail<ShapeError>("linear: bias ", bias.shape(), " does not fit weight ", weight.shape());
  }
  if (is_complex(x.dtype())) {
    const Tensor product = matmul(x, transpose(weight, 0, 1));
    return bias.defined() ? add(product, bias) : product;
  }
  const int64_t in = weight.size(1), outs = weight.size(0);
  int64_t rows = 1;
  for (int d = 0; d + 1 < x.ndim(); ++d) rows *= x.size(d);
  Shape out = x.shape();
  out.back() = outs;
  const Tensor flat = x.ndim() == 2 ? x : reshape(x, {rows, in});
  const bool records_weight = recording(weight);
  const Tensor y = [&] {
    GradMode off(false);
    Tensor dense = bias;
    if (bias.defined()) dense = contiguous(bias.numel() == outs ? bias : expand(reshape(bias, {1}), {outs}));
    const Tensor a = alias(flat, {1, rows, in}, {0, flat.strides()[0], flat.strides()[1]}, flat.offset());
    const Tensor b =
        alias(weight, {1, in, outs}, {0, weight.strides()[1], weight.strides()[0]}, weight.offset());
    const Tensor c = gemm(a, b, dense, !records_weight);
    return alias(c, {rows, outs}, {outs, 1}, 0);
  }();
  if (recording(flat, weight, bias)) {
    const Shape bias_shape = bias.defined() ? bias.shape() : Shape();
    record("AddmmBackward0", y, {&flat, &weight, &bias},
           [x = Saved(recording(weight) ? flat : Tensor()), w = Saved(recording(flat) ? weight : Tensor()),
            bias_shape](Back& back) -> Tensors {
             const Tensor& g = back.grad();
             return {back.needs(0) ? matmul(g, w.get(back)) : Tensor(),
                     back.needs(1) ? matmul(transpose(g, 0, 1), x.get(back)) : Tensor(),
                     back.needs(2) ? reduce_to(g, bias_shape) : Tensor()};
           });
  }
  return x.ndim() == 2 ? y : reshape(y, out);
}

namespace {
// beta * x + alpha * product, where beta = 0 does not read x. Factors of integers are cut to integers.
Tensor blend(const Tensor& x, const Tensor& product, Scalar beta, Scalar alpha) {
  if (!is_inexact(product.dtype())) {
    beta = Scalar(static_cast<int64_t>(beta.to_double()));
    alpha = Scalar(static_cast<int64_t>(alpha.to_double()));
  }
  const bool halves = is_floating(product.dtype()) && size_of(product.dtype()) == 2;
  if (halves && (beta.to_double() != 1 || alpha.to_double() != 1))  // rounded once, at the end
    return to(blend(to(x, Dtype::Float32), to(product, Dtype::Float32), beta, alpha), product.dtype());
  const auto is = [](Scalar s, double value) { return !s.is_complex() && s.real() == value; };
  const Tensor scaled = is(alpha, 1) ? product : mul(product, alpha);
  const Shape shape = broadcast(x.shape(), product.shape(), "addmm");
  if (shape != product.shape())
    fail<ShapeError>("addmm: input ", x.shape(), " does not broadcast to ", product.shape());
  if (is(beta, 0)) return scaled;
  return add(scaled, is(beta, 1) ? x : mul(x, beta));
}
}  // namespace

Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  if (autocasting()) return autocast(addmm, x, a, b, beta, alpha);
  if (a.ndim() != 2 || b.ndim() != 2)
    fail<ShapeError>("addmm: mat1 and mat2 must be 2-D, got ", a.shape(), " and ", b.shape());
  return blend(x, matmul(a, b), beta, alpha);
}

Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, Scalar beta, Scalar alpha) {
  if (autocasting()) return autocast(baddbmm, x, a, b, beta, alpha);
  if (a.ndim() != 3 || b.ndim() != 3 || a.size(0) != b.size(0))
    fail<ShapeError>("baddbmm: batch1 and batch2 must be 3-D with one batch size, got ", a.shape(), " and ",
                     b.shape());
  return blend(x, matmul(a, b), beta, alpha);
}

}  // namespace lamina::ops
