"""One line per op: the elementwise ones. Other tables: ops_table_reduce, ops_table_shape, ops_table_layer."""

from __future__ import annotations

import numpy as np

import reference as ref
from harness import Case, binary, calls, numbers, unary

FLAT = "piecewise constant"
LOGIC = "the result is no float"
A, B, C = numbers(3, 4), numbers(3, 4, seed=1), numbers(4, seed=2)
MASK = np.arange(12).reshape(3, 4) % 3 == 0
ODD = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5])
INTS = np.array([[5, -7, 12], [0, 3, -1]])
SHIFTS = np.array([[1, 0, 3], [2, 1, 4]])

UNARY = [
    Case("neg", unary(), np.negative),
    Case("abs", unary(), np.abs),
    Case("sign", unary(), np.sign, grad=FLAT),
    Case("square", unary(), np.square),
    Case("sqrt", unary(0.1, 4), np.sqrt),
    Case("rsqrt", unary(0.1, 4), lambda x: 1 / np.sqrt(x)),
    Case("reciprocal", unary(0.2, 3), np.reciprocal),
    Case("exp", unary(), np.exp),
    Case("exp2", unary(), np.exp2),
    Case("expm1", unary(), np.expm1),
    Case("log", unary(0.1, 4), np.log),
    Case("log2", unary(0.1, 4), np.log2),
    Case("log10", unary(0.1, 4), np.log10),
    Case("log1p", unary(-0.8, 3), np.log1p),
    Case("sin", unary(-9, 9), np.sin),
    Case("cos", unary(-9, 9), np.cos),
    Case("tan", unary(-1.4, 1.4), np.tan),
    Case("asin", unary(-0.9, 0.9), np.arcsin),
    Case("acos", unary(-0.9, 0.9), np.arccos),
    Case("atan", unary(-5, 5), np.arctan),
    Case("sinh", unary(), np.sinh),
    Case("cosh", unary(), np.cosh),
    Case("tanh", unary(-4, 4), np.tanh),
    Case("asinh", unary(-5, 5), np.arcsinh),
    Case("acosh", unary(1.1, 6), np.arccosh),
    Case("atanh", unary(-0.9, 0.9), np.arctanh),
    Case("erf", unary(-3, 3), ref.erf),
    Case("erfc", unary(-3, 3), ref.erfc),
    Case("erfinv", unary(-0.9, 0.9), ref.erfinv),
    Case("lgamma", unary(0.2, 5), ref.lgamma),
    Case("digamma", unary(0.3, 5), ref.digamma, torch_tolerance=1e4),
    Case(
        "polygamma",
        calls((1, A + 3), (3, A + 3)),
        ref.polygamma,
        tolerance=20,
        torch_tolerance=1e4,
    ),
    Case("sinc", unary(), np.sinc, tolerance=4),
    Case("floor", unary(-3, 3), np.floor, grad=FLAT),
    Case("ceil", unary(-3, 3), np.ceil, grad=FLAT),
    Case("round", unary(-3, 3), np.round, grad=FLAT),
    Case("round", unary(-3, 3, decimals=1), lambda x, decimals: np.round(x, decimals), grad=FLAT, half=False),
    Case("trunc", unary(-3, 3), np.trunc, grad=FLAT),
    Case("frac", unary(-3, 3), lambda x: x - np.trunc(x)),
    Case("isnan", calls((ODD,)), np.isnan, grad=LOGIC, dtype="bool"),
    Case("isinf", calls((ODD,)), np.isinf, grad=LOGIC, dtype="bool"),
    Case("isposinf", calls((ODD,)), np.isposinf, grad=LOGIC, dtype="bool"),
    Case("isneginf", calls((ODD,)), np.isneginf, grad=LOGIC, dtype="bool"),
    Case("isfinite", calls((ODD,)), np.isfinite, grad=LOGIC, dtype="bool"),
    Case("logical_not", calls((ODD[3:],), (MASK,)), np.logical_not, grad=LOGIC, dtype="bool"),
    Case("signbit", calls((ODD[1:],)), np.signbit, grad=LOGIC, dtype="bool"),
    Case("bitwise_not", calls((INTS,)), np.invert, grad=LOGIC, dtype="int64"),
    Case("bitwise_not", calls((MASK,)), np.invert, grad=LOGIC, dtype="bool"),
]

ACTIVATION = [
    Case("relu", unary(), lambda x: np.maximum(x, 0)),
    Case("relu6", unary(-2, 9), lambda x: np.clip(x, 0, 6), torch="relu6"),
    Case("sigmoid", unary(-5, 5), ref.sigmoid),
    Case("logsigmoid", unary(-5, 5), lambda x: np.log(ref.sigmoid(x)), torch="logsigmoid"),
    Case("gelu", unary(), ref.gelu),
    Case("gelu", unary(approximate="tanh"), ref.gelu),
    Case("silu", unary(), lambda x: x * ref.sigmoid(x)),
    Case("mish", unary(), lambda x: x * np.tanh(ref.softplus(x))),
    Case("softsign", unary(), lambda x: x / (1 + np.abs(x))),
    Case("hardsigmoid", unary(-5, 5), lambda x: np.clip(x / 6 + 0.5, 0, 1), torch_tolerance=1e5),
    Case("hardswish", unary(-5, 5), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    Case("tanhshrink", unary(), lambda x: x - np.tanh(x)),
    Case(
        "selu",
        unary(),
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    ),
    Case(
        "leaky_relu",
        unary(negative_slope=0.2),
        lambda x, negative_slope: np.where(x > 0, x, x * negative_slope),
    ),
    Case("elu", unary(alpha=0.7), lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x))),
    Case(
        "celu",
        unary(alpha=0.7),
        lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
        torch_tolerance=1e5,
    ),
    Case("softplus", unary(-30, 30, beta=0.7, threshold=10), ref.softplus, half=False),
    Case(
        "hardtanh", unary(min_val=-0.7, max_val=1.1), lambda x, min_val, max_val: np.clip(x, min_val, max_val)
    ),
    Case("hardshrink", unary(lambd=0.6), lambda x, lambd: np.where(np.abs(x) > lambd, x, 0)),
    Case("softshrink", unary(lambd=0.6), lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0)),
    Case("nn.functional.threshold", calls((A, 0.3, -2.0)), lambda x, t, v: np.where(x > t, x, v)),
    Case("prelu", calls((A, C), (A, numbers(1)), (numbers(2, 3, 2), numbers(3))), ref.prelu),
    Case("clamp", unary(min=-0.7, max=0.9), ref.clamp),
    Case("clamp", calls((A, {"min": 0.3}), (A, {"max": 0.3}), (A, C), (A, {"max": C})), ref.clamp),
]

BINARY = [
    Case("add", binary(), np.add),
    Case("add", binary(alpha=1.5), lambda x, y, alpha: x + alpha * y),
    Case("sub", binary(), np.subtract),
    Case("sub", binary(alpha=-0.5), lambda x, y, alpha: x - alpha * y),
    Case("rsub", binary(alpha=2.0), lambda x, y, alpha: y - alpha * x),
    Case("mul", binary(), np.multiply),
    Case("div", binary(low2=0.3, high2=3), np.divide),
    Case(
        "div",
        binary(-9, 9, 0.7, 3, rounding_mode="trunc"),
        lambda x, y, rounding_mode: np.trunc(x / y),
        grad=FLAT,
    ),
    Case(
        "div",
        binary(-9, 9, 0.7, 3, rounding_mode="floor"),
        lambda x, y, rounding_mode: np.floor(x / y),
        grad=FLAT,
    ),
    Case("floor_divide", binary(-9, 9, 0.7, 3), lambda x, y: np.floor(x / y), grad=FLAT),
    Case("remainder", binary(-9, 9, 0.7, 3), np.mod),
    Case("fmod", binary(-9, 9, 0.7, 3), np.fmod),
    Case("pow", binary(0.2, 3, -2, 2), np.power),
    Case("pow", calls((A, 2), (A, 3), (A, 0), (A, 1), (np.abs(A), 0.5), (np.abs(A), -0.5)), np.power),
    Case("pow", calls((1.7, A)), np.power),
    Case("float_power", calls((np.abs(A), 1.5)), np.power, dtype="float64"),
    Case("atan2", binary(number=False), np.arctan2),
    Case("hypot", binary(0.2, 3, number=False), np.hypot),
    Case("maximum", binary(number=False), np.maximum, torch="maximum"),
    Case("minimum", binary(number=False), np.minimum),
    Case("fmax", binary(number=False), np.fmax),
    Case("fmin", binary(number=False), np.fmin),
    Case("copysign", binary(), np.copysign),
    Case("xlogy", binary(low2=0.3, high2=3), lambda x, y: x * np.log(y)),
    Case("logaddexp", calls((A, B), (A, C)), np.logaddexp),
    Case("logaddexp2", calls((A, B), (A, C)), np.logaddexp2),
    Case("nextafter", calls((A, B)), lambda x, y: x),
    Case("eq", binary(), np.equal, grad=LOGIC, dtype="bool"),
    Case("ne", binary(), np.not_equal, grad=LOGIC, dtype="bool"),
    Case("lt", binary(), np.less, grad=LOGIC, dtype="bool"),
    Case("le", binary(), np.less_equal, grad=LOGIC, dtype="bool"),
    Case("gt", binary(), np.greater, grad=LOGIC, dtype="bool"),
    Case("ge", binary(), np.greater_equal, grad=LOGIC, dtype="bool"),
    Case("logical_and", calls((A, MASK), (MASK, MASK.T[:1, :1])), np.logical_and, grad=LOGIC, dtype="bool"),
    Case("logical_or", calls((A, MASK)), np.logical_or, grad=LOGIC, dtype="bool"),
    Case("logical_xor", calls((A, MASK)), np.logical_xor, grad=LOGIC, dtype="bool"),
    Case("bitwise_and", calls((INTS, SHIFTS), (INTS, 6)), np.bitwise_and, grad=LOGIC, dtype="int64"),
    Case("bitwise_or", calls((INTS, SHIFTS)), np.bitwise_or, grad=LOGIC, dtype="int64"),
    Case("bitwise_xor", calls((INTS, SHIFTS)), np.bitwise_xor, grad=LOGIC, dtype="int64"),
    Case("bitwise_left_shift", calls((INTS, SHIFTS)), np.left_shift, grad=LOGIC, dtype="int64"),
    Case("bitwise_right_shift", calls((INTS, SHIFTS)), np.right_shift, grad=LOGIC, dtype="int64"),
    # In integers: floor towards minus infinity, trunc and fmod towards zero.
    Case("floor_divide", calls((INTS, 4), (INTS, SHIFTS + 1)), np.floor_divide, grad=LOGIC, dtype="int64"),
    Case("remainder", calls((INTS, -4), (INTS, SHIFTS + 1)), np.mod, grad=LOGIC, dtype="int64"),
    Case("fmod", calls((INTS, SHIFTS + 1)), np.fmod, grad=LOGIC, dtype="int64"),
    Case("pow", calls((INTS, 3), (INTS, SHIFTS)), np.power, grad=LOGIC, dtype="int64"),
    Case("mul", calls((INTS, SHIFTS)), np.multiply, grad=LOGIC, dtype="int64"),
    Case("add", calls((INTS, SHIFTS)), np.add, grad=LOGIC, dtype="int64"),
]

TERNARY = [
    Case("where", calls((MASK, A, B), (MASK, A, 0.5), (MASK, 2.0, C), (MASK[:, :1], A, C)), np.where),
    Case("lerp", calls((A, B, 0.3), (A, B, 0.8), (A, C, B)), lambda x, y, w: x + w * (y - x)),
    Case("addcmul", calls((A, B, C, {"value": 0.7}), (A, B, B)), lambda x, y, z, value=1: x + value * y * z),
    Case(
        "addcdiv",
        calls((A, B, np.abs(C) + 0.5, {"value": 0.7})),
        lambda x, y, z, value: x + value * y / z,
    ),
]

ELEMENTWISE = UNARY + ACTIVATION + BINARY + TERNARY
