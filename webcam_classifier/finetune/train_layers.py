"""Fine-tune the layers of a pretrained network on the user's pictures.

It starts as the frozen network with a fitted head: the first steps don't distort its layers with a
random head's errors, and it can only get better. Then all layers are trained together, the
pretrained ones in small steps, on random views of the pictures.
"""

from __future__ import annotations

import torch

from webcam_classifier.backbone.weights import PretrainedWeights
from webcam_classifier.finetune.device import allow_fast_products, choose_device
from webcam_classifier.finetune.distributed import local_rank
from webcam_classifier.finetune.memory import explained_memory
from webcam_classifier.finetune.network import build_network
from webcam_classifier.finetune.network_layers import PixelNetwork
from webcam_classifier.finetune.process_group import join_process_group
from webcam_classifier.finetune.random_views import Examples
from webcam_classifier.finetune.run import FinetunedNetwork, FinetuneRun
from webcam_classifier.finetune.settings import FinetuneSettings, check_settings
from webcam_classifier.finetune.state_file import StateFile
from webcam_classifier.finetune.training_inputs import gather_training_inputs
from webcam_classifier.head.lda import LinearHead


def train_layers(
    training: Examples,
    validation: Examples,
    labels: tuple[str, ...],
    pretrained: PretrainedWeights,
    settings: FinetuneSettings,
    state_file: StateFile | None = None,
    head: LinearHead | None = None,
) -> FinetunedNetwork:
    """Train a network. Ctrl-C ends it early and keeps the best so far.

    Where `torchrun` started several processes, each calls this with the same arguments, and each
    gets the same network.

    Args:
        training: At least one picture of each label.
        validation: For choosing the best epoch and the interpolation with the start; it may be
            empty. `LeftOutExamples` say which were recorded together, else each counts for itself.
        labels: Their names.
        pretrained: From `load_pretrained`.
        settings: How to train.
        state_file: Where to keep the training after each epoch, and whether to go on from there.
        head: Fitted on the normalised embeddings of the frozen network, to start from; None fits
            one.

    Raises:
        UserError: A setting is impossible, the backbone unknown, the weights another's, the kept
            state another training's, or the memory too small for one picture.
        KeyboardInterrupt: Ctrl-C before there was anything to keep.
    """
    check_settings(settings)
    device = choose_device(settings.device, local_rank())
    allow_fast_products(device)
    cards = [device] if device.type == "cuda" else []
    with explained_memory(), join_process_group(device) as group, torch.random.fork_rng(cards):
        torch.manual_seed(settings.seed)
        layers = build_network(
            settings.backbone,
            len(labels),
            pretrained,
            settings.hidden_units,
            settings.dropout,
            settings.normalised_embedding,
        )
        network = PixelNetwork(layers).to(device)
        inputs = gather_training_inputs(training, validation, labels, settings)
        run = FinetuneRun(
            network, bool(pretrained.tensors), inputs, settings, group, state_file, head
        )
        return run.train()
