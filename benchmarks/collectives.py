"""The seconds that an all-reduce takes, by its bytes, the number of instances and their network; and waiting steps.

python benchmarks/collectives.py [--rounds 5] [--steps 200]

Processes of one thread each, joined as those of a training are: the ring of TensorFlow's collectives over gRPC, called
in a compiled loop. Instances on "veth" have a network namespace each, on one switch, with what they send limited by tc
where a rate is named: that needs root. The least of the rounds counts, since other processes only add. Each line of a
network fits ``seconds = 2(n-1) · (latency + bytes / n / bandwidth)``, by which docs/several_instances.md reckons. Then
steps whose computation is a wait of random length, so that it needs no cores, beside what ``scaling_simulation``
expects of them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from support.measure import PROJECT

# isort: split
import numpy as np

from scaling_simulation import Network, simulate_steps, waits

sys.path.append(str(PROJECT / "tests"))

from support.servers import free_port

SIZES = (4, 100_000, 400_000, 1_000_000, 4_000_000)  # bytes
CALLS = 20  # of one size in a row
WAIT_SECONDS, WAIT_SPREAD, WAIT_BYTES = 0.02, 0.3, 400_000  # of a step: the median, the deviation of its logarithm
NETWORKS = [
    ("loopback", 2, ""),
    ("loopback", 3, ""),
    ("loopback", 4, ""),
    ("veth", 2, ""),
    ("veth", 3, ""),
    ("veth", 2, "1gbit"),
    ("veth", 2, "100mbit"),
    ("veth", 3, "100mbit"),
]
Start = Callable[..., "subprocess.Popen[str]"]


@contextmanager
def instances(network: str, count: int, rate: str) -> Iterator[tuple[list[str], list[Start]]]:
    """Yield the addresses of the instances, and for each what starts a command on it."""
    if network == "loopback":
        yield [f"127.0.0.1:{free_port()}" for _ in range(count)], [_start_here] * count
        return
    from support.hosts import network as make_network

    with make_network(count) as hosts:
        for host in hosts:
            if rate:
                host.limit(rate)
        yield [f"{host.address}:2222" for host in hosts], [host.popen for host in hosts]


def _start_here(*words: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(words, text=True, **options)


def measure(network: str, count: int, rate: str, rounds: int, steps: int) -> dict[str, Any]:
    """Return what the first of the instances has measured."""
    with instances(network, count, rate) as (addresses, starts), tempfile.TemporaryFile("w+") as errors:
        words = [sys.executable, __file__, "--rounds", str(rounds), "--steps", str(steps), "--addresses", *addresses]
        processes = [
            start(*words, "--index", str(index), stdout=subprocess.PIPE, stderr=errors)
            for index, start in enumerate(starts)
        ]
        try:
            text = processes[0].communicate(timeout=300)[0]
            if processes[0].returncode:
                errors.seek(0)
                raise RuntimeError(errors.read())
        finally:
            for process in processes:
                process.kill()
                process.communicate()
    return dict(json.loads(text.splitlines()[-1]))


def work(addresses: Sequence[str], index: int, rounds: int, steps: int) -> dict[str, Any]:
    """Join the others, call the collectives, and return the seconds."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(addresses)}), task_type="worker", task_id=index, rpc_layer="grpc"
    )
    ring = tf.distribute.experimental.CommunicationImplementation.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)

    @tf.function(autograph=False)
    def reduce(values: tf.Tensor, seconds: tf.Tensor) -> tf.Tensor:
        """Sum the values over all instances as often as there are seconds, each time after such a wait."""

        def step(number: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            def replica(previous: tf.Tensor) -> tf.Tensor:
                own = values + 0 * previous  # computed here, so that it has a device
                if seconds.dtype == tf.float32:
                    own += tf.ensure_shape(tf.numpy_function(_wait, [seconds[number]], tf.float32), [])
                return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)

            return number + 1, strategy.run(replica, (sums,))

        count = tf.shape(seconds)[0]
        return tf.while_loop(lambda number, _: number < count, step, (0, values), parallel_iterations=1)[1]

    def seconds_of(values: tf.Tensor, pauses: tf.Tensor) -> float:
        reduce(values, pauses[:2])
        start = time.perf_counter()
        reduce(values, pauses).numpy()
        return (time.perf_counter() - start) / int(pauses.shape[0])

    tensors = {size: tf.zeros([size // 4]) for size in SIZES}
    times: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size, values in tensors.items():
            times[size].append(seconds_of(values, tf.zeros([CALLS], tf.int32)))
    pauses = tf.constant(waits(len(addresses), steps, WAIT_SECONDS, WAIT_SPREAD)[index], tf.float32)
    waiting = seconds_of(tf.zeros([WAIT_BYTES // 4]), pauses)
    return {"reductions": {size: min(values) for size, values in times.items()}, "step": waiting}


def _wait(seconds: np.float32) -> np.float32:
    time.sleep(float(seconds))
    return np.float32(0)


def fit(times: dict[int, float], count: int) -> Network:
    """Return the latency and the bandwidth that explain the seconds best, as shares of each."""
    sizes = np.array(list(times), float)
    seconds = np.array(list(times.values()))
    terms = np.stack([np.full_like(sizes, 2 * (count - 1)), 2 * (count - 1) / count * sizes], axis=1)
    latency, per_byte = np.linalg.lstsq(terms / seconds[:, None], np.ones_like(seconds), rcond=None)[0]
    return Network(max(latency, 0.0), 1 / per_byte)


def main() -> None:
    """Measure each network, or be one instance of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="of waiting")
    parser.add_argument("--addresses", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--index", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.addresses:
        print(json.dumps(work(args.addresses, args.index, args.rounds, args.steps)), flush=True)
        return
    sizes = " | ".join(f"{size:,} B" for size in SIZES)
    print(f"| network | instances | {sizes} | latency | bandwidth | step | simulated |")
    for name, count, rate in NETWORKS:
        found = measure(name, count, rate, args.rounds, args.steps)
        times = {int(size): seconds for size, seconds in found["reductions"].items()}
        network = fit(times, count)
        drawn = waits(count, args.steps, WAIT_SECONDS, WAIT_SPREAD)
        expected = simulate_steps(drawn, network.all_reduce_seconds(count, WAIT_BYTES))
        cells = " | ".join(f"{1000 * seconds:.2f} ms" for seconds in times.values())
        print(
            f"| {name} {rate} | {count} | {cells} | {1e6 * network.latency:.0f} µs | {network.bandwidth / 1e6:.0f} MB/s"
            f" | {1000 * found['step']:.1f} ms | {1000 * expected:.1f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
