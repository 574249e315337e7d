"""A recipe in PyTorch: Adam, one cycle of the learning rate, all data in memory; prints seconds and test accuracy.

python pytorch_recipe.py cnn|mlp DATA.npz SEED THREADS

cnn: the public "99 % in one epoch" recipe: convolutions 5x5x24 and 3x3x32 with max pooling, 256 units, one epoch, batch
256, in memory's channels-last order. mlp: the network and the settings of ``experiment=mnist_98_fast``.
"""

import json
import sys
import time

import numpy as np
import torch
from torch import nn

IS_CNN = sys.argv[1] == "cnn"
EPOCHS, RATE, SMOOTHING = (1, 0.01, 0.0) if IS_CNN else (2, 0.02, 0.1)
BATCH = 256


def build() -> nn.Module:
    if IS_CNN:
        blocks = [nn.Conv2d(1, 24, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        blocks += [nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        model = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(32 * 7 * 7, 256), nn.ReLU(), nn.Linear(256, 10))
        return model.to(memory_format=torch.channels_last)
    hidden = []
    for inputs, units in ((784, 128), (128, 128)):
        hidden += [nn.Linear(inputs, units, bias=False), nn.BatchNorm1d(units, eps=1e-3), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, 10))


def tensors(arrays: np.lib.npyio.NpzFile, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.from_numpy(arrays[f"{split}_images"]).reshape(-1, 1, 28, 28).float() / 255
    return images, torch.from_numpy(arrays[f"{split}_labels"]).long()


def main() -> None:
    torch.manual_seed(int(sys.argv[3]))
    torch.set_num_threads(int(sys.argv[4]))
    arrays = np.load(sys.argv[2])
    images, labels = tensors(arrays, "train")
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.7, 0.9))
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps * EPOCHS + 1)
    start = time.perf_counter()
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            batch = images[rows]
            batch = batch.contiguous(memory_format=torch.channels_last) if IS_CNN else batch
            loss = nn.functional.cross_entropy(model(batch), labels[rows], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - start
    model.eval()
    images, labels = tensors(arrays, "test")
    with torch.no_grad():
        is_right = torch.cat([model(part).argmax(1) for part in images.split(1000)]) == labels
    print(json.dumps({"seconds": seconds, "accuracy": is_right.float().mean().item()}))


if __name__ == "__main__":
    main()
