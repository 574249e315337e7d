"""A CNN's epoch on a processor with AVX2 alone, emulated: with oneDNN, as this project switches it on, and without.

python benchmarks/onednn_avx2.py [--rounds 5] [--examples 12800] [--seeds 2]

oneDNN is kept to AVX2 by ONEDNN_MAX_CPU_ISA. TensorFlow's own kernels are what they are on this machine, which may be
faster than a processor with AVX2 has them. Both ways train in processes of their own, in turn; two of each must come to
the same weights, bit for bit.
"""

import argparse
import hashlib
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from support.measure import alternate, mnist, report
from support.peer import PeerProcess

WAYS = {"oneDNN": "1", "TensorFlow alone": "0"}
LIMIT = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
BATCH = 128


def serve(examples: int, seed: int) -> None:
    """Train an epoch for each line of standard input; answer ``state`` by accuracy and the weights' digest."""
    import numpy as np

    from epoch import our_program
    from trialmaker.data import mnist as data
    from trialmaker.training.program import data_order

    dataset = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0)
    images, labels = dataset.train.images[:examples], dataset.train.labels[:examples]
    program = our_program("cnn", "float32", seed=seed)
    run_steps = program.steps_over(images, labels, seed=seed)
    epochs = 0
    for line in sys.stdin:
        if line.strip() == "state":
            content = b"".join(weight.tobytes() for weight in program.model.get_weights())
            accuracy = program.evaluate(dataset.test.images, dataset.test.labels)[1]
            print(f"{accuracy:.4f} {hashlib.sha256(content).hexdigest()[:12]}", flush=True)
        else:
            epochs += 1
            order = data_order(seed=seed, epoch=epochs, examples=examples, batch_size=BATCH)
            run_steps(order, np.full(len(order), 0.001, np.float32), 0, len(order), (epochs - 1) * len(order))
            print("done", flush=True)


def main() -> None:
    """Compare the ways; exit with 1 where one does not come to the same bits again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--examples", type=int, default=12800, help="training examples of an epoch")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--serve", type=int, metavar="SEED", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        serve(args.examples, args.serve)
        return
    with ExitStack() as stack:
        command: list[str | Path] = [
            sys.executable,
            Path(__file__).resolve(),
            "--examples",
            str(args.examples),
            "--serve",
        ]
        processes = {
            (way, seed, repetition): stack.enter_context(
                PeerProcess(*command, str(seed), variables={**LIMIT, "TF_ENABLE_ONEDNN_OPTS": value})
            )
            for way, value in WAYS.items()
            for seed in range(args.seeds)
            for repetition in range(2 if seed == 0 else 1)
        }
        tasks = {way: partial(processes[way, 0, 0].ask, "epoch") for way in WAYS}
        alternate(tasks, rounds=1)
        print(f"seconds an epoch of {args.examples:,} images, {len(os.sched_getaffinity(0))} cores")
        report(alternate(tasks, rounds=args.rounds), "oneDNN")
        for key, process in processes.items():
            for _ in range(0 if key[1:] == (0, 0) else args.rounds + 1):
                process.ask("epoch")
        states = {key: process.ask("state") for key, process in processes.items()}
    for (way, seed, repetition), state in states.items():
        print(f"{way}, seed {seed}, process {repetition + 1}: test accuracy and digest of the weights {state}")
    if any(states[way, 0, 0] != states[way, 0, 1] for way in WAYS):
        sys.exit("two processes differ")


if __name__ == "__main__":
    main()
