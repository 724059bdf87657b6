"""Why recurrent networks have gates: how much of a gradient is left after so many steps back in time.

    python examples/vanishing_gradient.py --steps 100 --out examples/out

Each network reads random numbers and answers at the last step; the picture shows the norm of the answer's
gradient with respect to each input, against its distance in time (pip install "lamina[viz]"). The plain RNN
loses it exponentially, or lets it explode where its weights are larger. What cures that: an orthogonal
matrix between the steps while the network is nearly linear, or gates that let the state pass, as those of an
LSTM whose forget gate is open at the start (Gers et al., 2000), while an LSTM or GRU with small weights
forgets as well; and, against the explosion, clipping the norm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import lamina
from lamina import nn

SEED = 0


def reach(network: nn.RNNBase, steps: int, batch: int = 32, scale: float = 0.1) -> list[float]:
    """The norm of d answer / d input, 0, 1, ..., ``steps - 1`` steps before the answer, over the batch."""
    x = (scale * lamina.randn(steps, batch, network.input_size)).requires_grad_()
    y, _ = network(x)
    (y[-1] * lamina.randn(batch, network.hidden_size)).sum().backward()
    return x.grad.flatten(1).norm(dim=1).flip(0).tolist()


def scaled(network: nn.RNN, factor: float) -> nn.RNN:
    with lamina.no_grad():
        network.weight_hh_l0.mul_(factor)
    return network


def orthogonal(network: nn.RNN) -> nn.RNN:
    nn.init.orthogonal_(network.weight_hh_l0)
    return network


def with_open_gate(network: nn.LSTM, bias: float = 3.0) -> nn.LSTM:
    """The forget gate is the second of the four; sigmoid(3) = 0.95 of the cell stays at each step."""
    size = network.hidden_size
    with lamina.no_grad():
        network.bias_ih_l0[size : 2 * size] = bias
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw how far gradients reach back in time.")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("examples/out"))
    args = parser.parse_args()
    lamina.manual_seed(SEED)
    size = args.size
    networks = {
        "RNN": nn.RNN(size, size),
        "RNN, weights x 3": scaled(nn.RNN(size, size), 3.0),
        "RNN, orthogonal": orthogonal(nn.RNN(size, size)),
        "GRU": nn.GRU(size, size),
        "LSTM": nn.LSTM(size, size),
        "LSTM, forget gate open": with_open_gate(nn.LSTM(size, size)),
    }
    norms = {name: reach(network, args.steps) for name, network in networks.items()}
    middle = args.steps // 2
    print(f"{'':24}left after {middle} steps  after {args.steps - 1}")
    for name, values in norms.items():
        print(f"{name:24}{values[middle] / values[0]:19.2e}{values[-1] / values[0]:12.2e}")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / "vanishing_gradient.png"
        lamina.viz.gradient_reach(norms).savefig(path)
        print(f"picture: {path}")
    except ImportError as error:
        print(error)


if __name__ == "__main__":
    main()
