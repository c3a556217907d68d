"""The scale of a fitted head's logits before training."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional

from tests.finetune_pictures import small_pretrained
from webcam_classifier.finetune.head_init import match_logit_scale
from webcam_classifier.finetune.memory import MicroBatch
from webcam_classifier.finetune.network import build_network, output_layer
from webcam_classifier.finetune.network_layers import PixelNetwork

_SMOOTHING = 0.1


def test_the_logits_fit_what_is_trained_on_and_say_the_same() -> None:
    torch.manual_seed(0)
    network = build_network("squeezenet1_1", 3, small_pretrained(), normalised_embedding=True)
    model = PixelNetwork(network).eval()
    last = output_layer(model)
    with torch.no_grad():
        last.weight.mul_(20_000.0)  # as sure of itself as a head on near duplicates is
    generator = np.random.default_rng(0)
    inputs = torch.from_numpy(generator.integers(0, 256, (24, 48, 48, 3), dtype=np.uint8))
    with torch.no_grad():
        last.bias.sub_(model(inputs).mean(dim=0))  # so that it doesn't say the same of all
        before = model(inputs)
    truths = before.argmax(1)
    truths[::6] = (truths[::6] + 1) % 3  # it is wrong about some
    targets = functional.one_hot(truths, 3).float()
    batches = [(inputs[:16], targets[:16]), (inputs[16:], targets[16:])]

    match_logit_scale(model, batches, _SMOOTHING, MicroBatch(8), torch.device("cpu"))
    with torch.inference_mode():
        after = model(inputs)

    def loss(logits: torch.Tensor) -> float:
        return float(functional.cross_entropy(logits, targets, label_smoothing=_SMOOTHING))

    assert torch.equal(after.argmax(1), before.argmax(1))
    assert loss(after) < 0.9 * loss(before)
    assert loss(after) <= min(loss(0.9 * after), loss(1.1 * after))
