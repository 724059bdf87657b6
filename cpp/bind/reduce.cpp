// Reductions, extremes with their places, running sums, sorting, softmax.
#include "bind/define.h"

namespace lamina::bind {

py::object named_pair(const char* type, const char* second, const Pair& pair) {
  static std::vector<std::pair<std::string, PyObject*>> types;  // one named tuple class per op
  PyObject* found = nullptr;
  for (const auto& known : types)
    if (known.first == type) found = known.second;
  if (!found) {
    py::object made =
        py::module_::import("collections").attr("namedtuple")(type, std::string("values ") + second);
    made.attr("__module__") = "lamina.return_types";
    found = made.release().ptr();
    types.emplace_back(type, found);
  }
  return py::handle(found)(pair.first, pair.second);
}

namespace {

using py::arg;

Pair free_pair(const std::function<Pair()>& f) {
  NoGil guard;
  return f();
}

// f(x, dims, keepdim) under PyTorch's names for its arguments, and NumPy's.
template <class F>
void over_dims(py::module_& m, const char* name, F f) {
  const auto run = [f](const Tensor& x, const MaybeDims& dim, bool keepdim, MaybeDtype dtype,
                       const MaybeTensor& out) { return into_out(f(x, dim.dims, keepdim, dtype), out); };
  both(m, name, run, arg("input"), arg("dim") = py::none(), arg("keepdim") = false, py::kw_only(),
       arg("dtype") = py::none(), arg("out") = py::none(), Free());
  both(m, name, run, arg("input"), py::kw_only(), arg("axis"), arg("keepdims") = false,
       arg("dtype") = py::none(), arg("out") = py::none(), Free());
  both(m, name, run, arg("input"), py::kw_only(), arg("axis"), arg("keepdim") = false,
       arg("dtype") = py::none(), arg("out") = py::none(), Free());
}

template <class F>
auto without_dtype(const char* name, F f) {
  return [f, name](const Tensor& x, const Dims& dims, bool keepdim, MaybeDtype dtype) {
    if (dtype) fail<TypeError>(name, ": takes no dtype");
    return f(x, dims, keepdim);
  };
}

void bind_extremes(py::module_& m) {
  struct Entry {
    const char* name;
    Pair (*along)(const Tensor&, int64_t, bool);
    Tensor (*whole)(const Tensor&, const Dims&, bool);
    Tensor (*pairwise)(const Operand&, const Operand&);
    Tensor (*arg)(const Tensor&, std::optional<int64_t>, bool);
    const char* arg_name;
  };
  const Entry entries[] = {{"max", ops::max, ops::amax, ops::maximum, ops::argmax, "argmax"},
                           {"min", ops::min, ops::amin, ops::minimum, ops::argmin, "argmin"}};
  for (const Entry& e : entries) {
    both(
        m, e.name, [e](const Tensor& x) { return e.whole(x, {}, false); }, arg("input"), Free());
    const auto along = [e](const Tensor& x, int64_t dim, bool keepdim) {
      return named_pair(e.name, "indices", free_pair([&] { return e.along(x, dim, keepdim); }));
    };
    both(m, e.name, along, arg("input"), arg("dim"), arg("keepdim") = false);
    both(m, e.name, along, arg("input"), py::kw_only(), arg("axis"), arg("keepdim") = false);
    both(
        m, e.name, [e](const Tensor& x, const Tensor& other) { return e.pairwise(x, other); }, arg("input"),
        arg("other"), Free());
    both(m, e.arg_name, e.arg, arg("input"), arg("dim") = py::none(), arg("keepdim") = false, Free());
    both(m, e.arg_name, e.arg, arg("input"), py::kw_only(), arg("axis"), arg("keepdim") = false, Free());
  }
}

void bind_spread(py::module_& m) {
  struct Entry {
    const char* name;
    Tensor (*function)(const Tensor&, const Dims&, double, bool);
  };
  for (const Entry& e : {Entry{"var", ops::var}, Entry{"std", ops::std}}) {
    const auto f = e.function;
    const std::string name = e.name;
    // var(x, unbiased), var(x, dim, unbiased, keepdim), var(x, dim, correction=1)
    both(
        m, e.name, [f](const Tensor& x, bool unbiased) { return f(x, {}, unbiased, false); }, arg("input"),
        arg("unbiased").noconvert(), Free());
    both(
        m, e.name,
        [f](const Tensor& x, const MaybeDims& dim, std::optional<double> correction, bool keepdim) {
          return f(x, dim.dims, correction.value_or(1), keepdim);
        },
        arg("input"), arg("dim") = py::none(), py::kw_only(), arg("correction") = py::none(),
        arg("keepdim") = false, Free());
    both(
        m, e.name,
        [f](const Tensor& x, const MaybeDims& dim, bool unbiased, bool keepdim) {
          return f(x, dim.dims, unbiased, keepdim);
        },
        arg("input"), arg("dim"), arg("unbiased") = true, arg("keepdim") = false, Free());
    both(
        m, e.name,
        [f](const Tensor& x, const MaybeDims& axis, bool keepdim) { return f(x, axis.dims, 1, keepdim); },
        arg("input"), py::kw_only(), arg("axis"), arg("keepdim") = false, Free());
  }
}

void bind_rows(py::module_& m) {
  for (const auto& [name, f] : {std::pair{"cumsum", &ops::cumsum}, std::pair{"cumprod", &ops::cumprod}}) {
    const auto run = f;
    both(
        m, name,
        [run](const Tensor& x, int64_t dim, MaybeDtype dtype, const MaybeTensor& out) {
          return into_out(run(x, dim, dtype), out);
        },
        arg("input"), arg("dim"), py::kw_only(), arg("dtype") = py::none(), arg("out") = py::none(), Free());
    method((std::string(name) + "_").c_str(),
           [run](const Tensor& x, int64_t dim) {
             return rewrite(x, [&](const Tensor& self) { return run(self, dim, x.dtype()); });
           },
           arg("dim"), Free());
  }
  both(
      m, "cummax",
      [](const Tensor& x, int64_t dim) {
        return named_pair("cummax", "indices", free_pair([&] { return ops::cummax(x, dim); }));
      },
      arg("input"), arg("dim"));
  both(
      m, "cummin",
      [](const Tensor& x, int64_t dim) {
        return named_pair("cummin", "indices", free_pair([&] { return ops::cummin(x, dim); }));
      },
      arg("input"), arg("dim"));
  both(m, "logcumsumexp", &ops::logcumsumexp, arg("input"), arg("dim"), Free());
  const auto sort = [](const Tensor& x, int64_t dim, bool descending, bool) {  // always stable
    return named_pair("sort", "indices", free_pair([&] { return ops::sort(x, dim, descending); }));
  };
  both(m, "sort", sort, arg("input"), arg("dim") = -1, arg("descending") = false, arg("stable") = false);
  both(
      m, "argsort",
      [](const Tensor& x, int64_t dim, bool descending, bool) {
        return ops::sort(x, dim, descending).second;
      },
      arg("input"), arg("dim") = -1, arg("descending") = false, arg("stable") = false, Free());
  both(
      m, "topk",
      [](const Tensor& x, int64_t k, int64_t dim, bool largest,
         bool) {  // always in order, which `sorted=False` allows too
        return named_pair("topk", "indices", free_pair([&] { return ops::topk(x, k, dim, largest); }));
      },
      arg("input"), arg("k"), arg("dim") = -1, arg("largest") = true, arg("sorted") = true);
  for (const char* name : {"softmax", "log_softmax"}) {
    const auto f = std::string(name) == "softmax" ? &ops::softmax : &ops::log_softmax;
    both(
        m, name, [f](const Tensor& x, int64_t dim, MaybeDtype dtype) { return f(x, dim, dtype); },
        arg("input"), arg("dim"), arg("dtype") = py::none(), Free());
  }
}

}  // namespace

void bind_reduce(py::module_& m) {
  over_dims(m, "sum",
            [](const Tensor& x, const Dims& d, bool k, MaybeDtype t) { return ops::sum(x, d, k, t); });
  over_dims(m, "mean",
            [](const Tensor& x, const Dims& d, bool k, MaybeDtype t) { return ops::mean(x, d, k, t); });
  over_dims(m, "prod",
            [](const Tensor& x, const Dims& d, bool k, MaybeDtype t) { return ops::prod(x, d, k, t); });
  over_dims(m, "amax", without_dtype("amax", ops::amax));
  over_dims(m, "amin", without_dtype("amin", ops::amin));
  over_dims(m, "any", without_dtype("any", ops::any));
  over_dims(m, "all", without_dtype("all", ops::all));
  over_dims(m, "logsumexp", without_dtype("logsumexp", ops::logsumexp));
  both(
      m, "count_nonzero",
      [](const Tensor& x, const MaybeDims& dim) { return ops::count_nonzero(x, dim.dims); }, arg("input"),
      arg("dim") = py::none(), Free());
  m.def(
      "vector_norm",
      [](const Tensor& x, double ord, const MaybeDims& dim, bool keepdim, MaybeDtype dtype) {
        return ops::vector_norm(x, ord, dim.dims, keepdim, dtype);
      },
      arg("x"), arg("ord") = 2.0, arg("dim") = py::none(), arg("keepdim") = false, arg("dtype") = py::none(),
      Free());
  bind_extremes(m);
  bind_spread(m);
  bind_rows(m);
}

}  // namespace lamina::bind
