"""Fit a network's last layer alone, on what the frozen layers before it give."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional

_PENALTY = 1e-3  # on the weights' squares, of inputs with a squared length of about one
_LARGEST_STEP_COUNT = 60


def fit_linear(
    embeddings: torch.Tensor,
    targets: torch.Tensor,
    class_weights: torch.Tensor,
    label_smoothing: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit a linear layer by penalised logistic regression on standardised embeddings.

    Args:
        embeddings: (N, D).
        targets: (N,) which class each is of.
        class_weights: (classes,) how much a picture of each counts.
        label_smoothing: Share of each target that is spread over all classes.

    Returns:
        Weight (classes, D) and bias (classes,), for embeddings as they are.
    """
    class_count = len(class_weights)
    embeddings = embeddings.clone()  # out of inference mode
    middle, spread = embeddings.mean(0), embeddings.std(0, unbiased=False)
    # A dimension that hardly ever moves must not be blown up to the size of the others.
    spread = (spread + 0.3 * spread.mean() + 1e-6) * math.sqrt(embeddings.shape[1])
    inputs = (embeddings - middle) / spread
    weight = torch.zeros(embeddings.shape[1], class_count, requires_grad=True)
    bias = torch.zeros(class_count, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_LARGEST_STEP_COUNT, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(
            inputs @ weight + bias, targets, class_weights, label_smoothing=label_smoothing
        )
        value = value + _PENALTY * weight.square().sum()
        torch.autograd.backward(value)
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]  # torch has no type for it
    with torch.no_grad():
        scaled = (weight / spread[:, None]).T
        return scaled, bias - scaled @ middle
