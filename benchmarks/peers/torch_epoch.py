"""The epochs of ``benchmarks/epoch.py`` with PyTorch: python torch_epoch.py DATA.npz mlp|cnn float32|bfloat16.

Each line of standard input trains an epoch; one line of standard output answers, the test accuracy for ``test``.
"""

import os
import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

BATCH = 128


def network(name: str) -> nn.Module:
    """Return the network of ``benchmarks/epoch.py``; a CNN's images are channels last."""
    if name == "mlp":
        layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)]
        return nn.Sequential(*layers)
    convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    dense = [nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*convolutions, *dense).to(memory_format=torch.channels_last)


def main(path: str, name: str, precision: str) -> None:
    """Train an epoch for each line of standard input."""
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    arrays = np.load(path)
    images, labels, test_images, test_labels = (
        torch.from_numpy(arrays[key]) for key in ("images", "labels", "test_images", "test_labels")
    )
    images, test_images = (one.permute(0, 3, 1, 2) for one in (images, test_images))  # channels last in memory
    labels, test_labels = labels.long(), test_labels.long()
    model = network(name)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")

    def batches() -> Iterator[torch.Tensor]:
        order = torch.randperm(len(images))
        yield from order[: len(images) // BATCH * BATCH].reshape(-1, BATCH)

    def epoch() -> None:
        for rows in batches():
            optimizer.zero_grad()
            with autocast:
                logits = model(images[rows].contiguous(memory_format=torch.channels_last))
            nn.functional.cross_entropy(logits.float(), labels[rows]).backward()
            optimizer.step()

    for line in sys.stdin:
        if line.strip() == "test":
            with torch.no_grad():
                print(float((model(test_images).argmax(1) == test_labels).float().mean()), flush=True)
        else:
            epoch()
            print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
