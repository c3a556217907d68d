"""The notebook recipe that robot and gesture tutorials share, on SqueezeNet 1.1.

From https://github.com/NVIDIA-AI-IOT/jetbot/blob/master/notebooks/collision_avoidance/train_model.ipynb:
colour jitter of 0.1, the picture squeezed to 224, ImageNet's mean and deviation; 50 pictures drawn
at random to test with; batches of 8; all layers by SGD, rate 0.001, momentum 0.9; 30 epochs, and
the one that is best on the 50 is kept. The last layer is swapped as in
https://docs.pytorch.org/tutorials/beginner/finetuning_torchvision_models_tutorial.html.

Three things are kinder to it than the notebook is: the network is set to evaluation and colours are
left alone where it is tested (the notebook leaves dropout and jitter on), a wrong answer counts one
however far its number is from the right one's, and of few pictures a fifth is drawn instead of 50.
"""

from __future__ import annotations

import copy

import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, random_split
from torchvision import transforms

from benchmarks.baselines.exchange import Answer, Job, serve
from benchmarks.baselines.torchvision_parts import Files, pretrained, squeeze_and_normalise

EPOCHS = 30
_BATCH = 8
_TESTED = 50  # pictures, at the most a fifth of all


def train_and_test(job: Job) -> Answer:
    """Train as the notebook does, and answer with the epoch that it keeps."""
    torch.manual_seed(job.seed)
    plain = squeeze_and_normalise()
    jittered = [transforms.ColorJitter(0.1, 0.1, 0.1, 0.1), *plain]
    labels = job.training_labels()
    pictures = Files(job.training_paths(), labels, transforms.Compose(jittered))
    same_without_jitter = Files(job.training_paths(), labels, transforms.Compose(plain))
    tested = min(_TESTED, len(pictures) // 5)
    order = torch.Generator().manual_seed(job.seed)
    training, drawn = random_split(pictures, [len(pictures) - tested, tested], generator=order)
    testing = torch.utils.data.Subset(same_without_jitter, list(drawn.indices))
    network = build_network(job)
    says = train(network, training, testing, job.epochs(EPOCHS))
    seconds = job.seconds()
    test = Files(job.test_paths(), [0] * len(job.test_names), transforms.Compose(plain))
    return Answer(
        torch.softmax(ask(network, test)[0], dim=1).tolist(),
        seconds,
        says=says,
        versions={"torch": torch.__version__, "torchvision": torchvision.__version__},
    )


def build_network(job: Job) -> nn.Module:
    """SqueezeNet with a new, random last layer."""
    network = pretrained(job.weights)
    network.set_submodule("classifier.1", nn.Conv2d(512, len(job.labels), kernel_size=1))
    return network


def train(
    network: nn.Module,
    training: Dataset[tuple[torch.Tensor, int]],
    testing: Dataset[tuple[torch.Tensor, int]],
    epochs: int,
) -> float:
    """Train all layers, and leave the network as it was after its best epoch.

    Returns:
        That epoch's accuracy on the pictures to test with: what the notebook prints.
    """
    loader = DataLoader(training, batch_size=_BATCH, shuffle=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    best, kept = -1.0, network.state_dict()
    for epoch in range(epochs):
        network.train()
        for pictures, labels in loader:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(pictures), labels)
            torch.autograd.backward(loss)
            optimizer.step()
        logits, labels = ask(network, testing)
        accuracy = float((logits.argmax(1) == labels).float().mean())
        print(f"epoch {epoch + 1} of {epochs}: {accuracy:.3f}", flush=True)
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    return best


def ask(
    network: nn.Module, pictures: Dataset[tuple[torch.Tensor, int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits (pictures, labels), and the true labels (pictures,)."""
    network.eval()
    with torch.inference_mode():
        parts = [
            (network(batch), labels) for batch, labels in DataLoader(pictures, batch_size=_BATCH)
        ]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


if __name__ == "__main__":
    serve(train_and_test)
