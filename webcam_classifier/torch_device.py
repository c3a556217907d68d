"""Choose what torch computes on: processor or graphics card."""

from __future__ import annotations

import torch

from webcam_classifier.errors import UserError


def choose_device(name: str) -> torch.device:
    """Give the device by that name, or for `auto` the fastest that there is.

    Raises:
        UserError: It is unknown, or this machine has none, or torch can't use it.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available()}
    present["mps"] = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if present[kind]))
    kind = name.partition(":")[0]
    if kind not in present:
        raise UserError(f"There is no device {name!r}. Choose auto, cpu, cuda, or mps.")
    try:
        device = torch.device(name)
        if present[kind]:
            torch.zeros(1, device=device)
            return device
    except RuntimeError:
        pass  # such as cuda:7 on a machine with one
    raise UserError(
        f"The device {name!r} can't be used: this torch sees none. Use --device auto, or install "
        "a torch that was built for it."
    )
