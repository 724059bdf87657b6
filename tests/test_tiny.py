"""Numbers too small to be normal: large products may take them for 0, everything else keeps them."""

from __future__ import annotations

import numpy as np

import lamina
from lamina.nn import functional as F


def test_products_are_right_to_the_smallest_normal_number_and_leave_the_mode_as_it_was() -> None:
    tiny, ones = lamina.full((150, 150), 1e-41), lamina.ones(150, 150)
    assert (tiny @ ones).abs().max() <= 150e-41
    mixed = tiny.clone()
    mixed[:, 0] = 2.0
    assert np.array_equal((mixed @ ones).numpy(), np.full((150, 150), 2.0, np.float32))
    q = lamina.ones(1, 1, 150, 8)
    assert F.scaled_dot_product_attention(q, q, q * 1e-41).abs().max() <= 1.1e-41
    for count in (1, 2):
        threads = lamina.get_num_threads()
        lamina.set_num_threads(count)
        ones @ ones
        halves = lamina.full((100_000,), 1e-41) * 0.5
        lamina.set_num_threads(threads)
        assert halves.min() > 0
