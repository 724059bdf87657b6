// Reductions, extremes with their places, running sums, sorting, softmax.
#include "bind/define.h"

namespace lamina::bind {

namespace {

using py::arg;

// The named tuples of max, sort, topk, ...; `out` takes their members.
py::object named_pair(const char* type, const Pair& pair, const py::object& out = py::none()) {
  static std::vector<std::pair<std::string, PyObject*>> types;  // one named tuple class per op
  PyObject* found = nullptr;
  for (const auto& known : types)
    if (known.first == type) found = known.second;
  if (!found) {
    py::object made = py::module_::import("collections").attr("namedtuple")(type, "values indices");
    made.attr("__module__") = "lamina.return_types";
    found = made.release().ptr();
    types.emplace_back(type, found);
  }
  if (out.is_none()) return py::handle(found)(pair.first, pair.second);
  if (!PySequence_Check(out.ptr()) || py::len(out) != 2)
    fail<TypeError>(type, ": expected out=(values, indices), got ", std::string(py::str(py::repr(out))));
  const auto into = out.cast<std::pair<Tensor, Tensor>>();
  return py::handle(found)(into_out(pair.first, {into.first}), into_out(pair.second, {into.second}));
}

// A function and a method from one that returns values and indices.
template <class F, class... Args, class... Extra>
void both_pair(py::module_& m, const char* name, F f, Pair (*)(Args...), const Extra&... extra) {
  const auto named = [f, name](Args... args, const py::object& out) {
    return named_pair(name, without_gil([&] { return f(args...); }), out);
  };
  function(m, name, named, arg("input"), extra..., py::kw_only(), arg("out") = py::none());
  method(
      name, [f, name](Args... args) { return named_pair(name, without_gil([&] { return f(args...); })); },
      extra...);
}
template <class F, class... Extra>
void both_pair(py::module_& m, const char* name, F f, const Extra&... extra) {
  both_pair(m, name, f, static_cast<py::detail::function_signature_t<F>*>(nullptr), extra...);
}

// f(x, dims, keepdim, dtype) under PyTorch's names for its arguments.
template <class F>
void over_dims(py::module_& m, const char* name, F f) {
  both_out(
      m, name,
      [f](const Tensor& x, const MaybeDims& dim, bool keepdim, MaybeDtype dtype) {
        return f(x, dim.dims, keepdim, dtype);
      },
      arg("input"), arg("dim") = py::none(), arg("keepdim") = false, py::kw_only(), arg("dtype") = py::none(),
      Free());
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
    both_out(
        m, e.name, [e](const Tensor& x) { return e.whole(x, {}, false); }, arg("input"), Free());
    // Before the form with a dimension, for which a tensor of one integer could stand too.
    both_out(
        m, e.name, [e](const Tensor& x, const Tensor& other) { return e.pairwise(x, other); }, arg("input"),
        arg("other"), Free());
    both_pair(m, e.name, e.along, arg("dim"), arg("keepdim") = false);
    both_out(m, e.arg_name, e.arg, arg("input"), arg("dim") = py::none(), arg("keepdim") = false, Free());
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
    both_out(
        m, e.name, [f](const Tensor& x, bool unbiased) { return f(x, {}, unbiased, false); }, arg("input"),
        arg("unbiased").noconvert(), Free());
    both_out(
        m, e.name,
        [f](const Tensor& x, const MaybeDims& dim, std::optional<double> correction, bool keepdim) {
          return f(x, dim.dims, correction.value_or(1), keepdim);
        },
        arg("input"), arg("dim") = py::none(), py::kw_only(), arg("correction") = py::none(),
        arg("keepdim") = false, Free());
    both_out(
        m, e.name,
        [f](const Tensor& x, const MaybeDims& dim, bool unbiased, bool keepdim) {
          return f(x, dim.dims, unbiased, keepdim);
        },
        arg("input"), arg("dim"), arg("unbiased") = true, arg("keepdim") = false, Free());
  }
}

void bind_rows(py::module_& m) {
  for (const auto& [name, f] : {std::pair{"cumsum", &ops::cumsum}, std::pair{"cumprod", &ops::cumprod}}) {
    const auto run = f;
    both_out(m, name, run, arg("input"), arg("dim"), py::kw_only(), arg("dtype") = py::none(), Free());
    method((std::string(name) + "_").c_str(),
           [run](const Tensor& x, int64_t dim, MaybeDtype dtype) {
             return ops::rewrite(
                 x, [&](const Tensor& self) { return run(self, dim, dtype.value_or(x.dtype())); });
           },
           arg("dim"), py::kw_only(), arg("dtype") = py::none(), Free());
  }
  both_pair(m, "cummax", &ops::cummax, arg("dim"));
  both_pair(m, "cummin", &ops::cummin, arg("dim"));
  both_out(m, "logcumsumexp", &ops::logcumsumexp, arg("input"), arg("dim"), Free());
  both_pair(
      m, "sort",
      [](const Tensor& x, int64_t dim, bool descending, bool) {  // always stable
        return ops::sort(x, dim, descending);
      },
      arg("dim") = -1, arg("descending") = false, arg("stable") = false);
  both_out(
      m, "argsort",
      [](const Tensor& x, int64_t dim, bool descending, bool) {
        return ops::sort(x, dim, descending).second;
      },
      arg("input"), arg("dim") = -1, arg("descending") = false, arg("stable") = false, Free());
  both_pair(
      m, "topk",
      [](const Tensor& x, int64_t k, int64_t dim, bool largest, bool) {  // always in order
        return ops::topk(x, k, dim, largest);
      },
      arg("k"), arg("dim") = -1, arg("largest") = true, arg("sorted") = true);
  for (const auto& [name, f] :
       {std::pair{"softmax", &ops::softmax}, std::pair{"log_softmax", &ops::log_softmax}})
    both_out(m, name, f, arg("input"), arg("dim"), arg("dtype") = py::none(), Free());
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
  both_out(
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
