"""Instances that share out each batch: examples a second of one, of two, and of one that sums with itself, in turn.

python benchmarks/instances.py [mlp|cnn ...] [--rounds N] [--batch N] [--steps N]

Each is a process of one thread on a core of its own, over the loopback device. The law: two make at least 1.7 times as
many examples a second as one, with the CNN and 1,024 examples a step. One by itself takes the plain loop, as it has
nobody to sum with: "one, summing with itself" shows what the other loop would cost it. "Two, each by itself" have half
of the batch each at the same time, and sum with nobody: more than they make no two can on this machine, whose cores
share memory, cache and power. Two wait for each other where something else needs a core; the CPU time of each shows
what they do themselves.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable

import psutil

from support.measure import alternate, mnist, report

FORCED, APART, SPEED_UP = "one, summing with itself", "two, each by itself", 1.7


class Group:
    """Processes that train at the same time, each on a core of its own.

    Args:
        batch: examples a step of those that sum together.
        cores: of each process; the first is that of the first.
        teams: of each process the number of those that it sums with; 0 for the plain loop.
    """

    def __init__(self, model: str, batch: int, cores: list[int], *, teams: list[int]) -> None:
        ports = {team: [_free_port() for _ in range(teams.count(team))] for team in teams if team}
        words = [sys.executable, __file__, "--worker", model, f"--batch={batch}"]
        self.processes = [
            subprocess.Popen(
                [*words, *_place(index, teams, ports), f"--core={core}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for index, core in enumerate(cores)
        ]

    def make(self, steps: int) -> None:
        """Make so many steps on all processes; return when they are done."""
        for process in self.processes:
            assert process.stdin
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
        for process in self.processes:
            assert process.stdout
            if not process.stdout.readline():
                sys.exit(f"a worker ended with code {process.wait()}")

    def cpu_seconds(self) -> list[float]:
        """Return the CPU time of each process so far."""
        return [sum(psutil.Process(process.pid).cpu_times()[:2]) for process in self.processes]

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.kill()
            process.communicate()


def _place(index: int, teams: list[int], ports: dict[int, list[int]]) -> list[str]:
    """Return the arguments by which a process finds those that it sums with, and its place among them."""
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports.get(teams[index], []))
    return [f"--addresses={addresses}", f"--index={teams[:index].count(teams[index])}"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def work(model: str, batch: int, addresses: list[str], index: int, core: int) -> None:
    """Make as many steps as each line of the standard input says, and answer by a line."""
    os.sched_setaffinity(0, {core})
    make = _steps(model, batch, addresses, index)
    for line in sys.stdin:
        make(int(line))
        print("done", flush=True)


def _steps(model: str, batch: int, addresses: list[str], index: int) -> Callable[[int], object]:
    import numpy as np
    import tensorflow as tf

    from trialmaker.training.replicas import Replicas

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    replicas = Replicas.connect(addresses, index) if addresses else None
    import keras
    import yaml

    from trialmaker.data import mnist as data
    from trialmaker.models import registry
    from trialmaker.platform.paths import CONF
    from trialmaker.training import augmentation, optimizers
    from trialmaker.training.program import Program, data_order

    train = data.load(directory=mnist(), download=False, mirrors=(), validation_fraction=0.1, split_seed=0).train
    fields = yaml.safe_load((CONF / "model" / f"{model}.yaml").read_text())
    keras.utils.set_random_seed(0)
    built = registry.builder(fields.pop("name"))(input_shape=(28, 28, 1), num_classes=10, **fields)
    program = Program(
        model=built,
        optimizer=optimizers.build(name="adam", variables=built.trainable_variables),
        augment=augmentation.build(name="none"),
        smooths_labels=False,
        jit_compile=registry.compiles_faster(model),
        replicas=replicas,
    )
    program.begin(built.get_weights())
    run = program.steps_over(train.images, train.labels, seed=0)
    order = data_order(seed=0, epoch=1, examples=len(train), batch_size=batch)
    rates = np.full(len(order), 0.001, np.float32)

    def make(steps: int) -> None:
        while steps > 0:
            run(order, rates, 0, min(steps, len(order)), 0)
            steps -= len(order)

    return make


def compare(model: str, batch: int, steps: int, rounds: int) -> None:
    """Print the seconds of so many steps for each way, and how much faster two are than one."""
    first, second = sorted(os.sched_getaffinity(0))[:2]
    groups = {
        "one": Group(model, batch, [first], teams=[0]),
        FORCED: Group(model, batch, [first], teams=[1]),
        "two": Group(model, batch, [first, second], teams=[1, 1]),
        APART: Group(model, batch // 2, [first, second], teams=[1, 2]),
    }
    try:
        for group in groups.values():
            group.make(2)  # which compiles
        tasks = {name: (lambda group=group: group.make(steps)) for name, group in groups.items()}
        print(f"{model}: seconds for {steps} steps of {batch:,} examples, Adam, a thread an instance")
        before = {name: group.cpu_seconds() for name, group in groups.items()}
        seconds = alternate(tasks, rounds=rounds)
        cpu = {
            name: [(after - own) / rounds for after, own in zip(group.cpu_seconds(), before[name], strict=True)]
            for name, group in groups.items()
        }
    finally:
        for group in groups.values():
            group.close()
    report(seconds, "one")
    for name in groups:
        print(f"{name:<44} CPU time of each: {', '.join(f'{one:.2f} s' for one in cpu[name])}")
    speed_up = [one / two for one, two in zip(seconds["one"], seconds["two"], strict=True)]
    of_most = [apart / two for apart, two in zip(seconds[APART], seconds["two"], strict=True)]
    print(
        f"two instances make {statistics.median(speed_up):.2f} times the examples a second of one"
        f" ({min(speed_up):.2f} to {max(speed_up):.2f}); asked of the CNN with batch 1,024: {SPEED_UP}; and"
        f" {100 * statistics.median(of_most):.0f} % of what the machine lets two make that do not sum"
    )


def main() -> None:
    """Compare each model, or be one of the processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="*", default=["cnn", "mlp"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=0, help="steps a round; about 5 s of them by default")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--addresses", default="", help=argparse.SUPPRESS)
    parser.add_argument("--index", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.models[0], args.batch, [one for one in args.addresses.split(",") if one], args.index, args.core)
        return
    for model in args.models:
        compare(model, args.batch, args.steps or {"cnn": 10, "mlp": 200}[model], args.rounds)


if __name__ == "__main__":
    main()
