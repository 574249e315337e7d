"""The epochs of ``benchmarks/epoch.py`` with JAX, each a scan in one jitted call: python jax_epoch.py DATA.npz mlp|cnn.

Each line of standard input trains an epoch; one line of standard output answers, the test accuracy for ``test``.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

BATCH = 128
SHAPES = {
    "mlp": [(784, 128), (128, 128), (128, 10)],
    "cnn": [(3, 3, 1, 32), (3, 3, 32, 64), (1600, 128), (128, 10)],
}
RATE, DECAYS, EPSILON = 0.001, (0.9, 0.999), 1e-7
Parameters = list[tuple[jax.Array, jax.Array]]


def initial(name: str) -> Parameters:
    """Return kernels by Glorot and Bengio's uniform rule, and biases of 0."""
    draws = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(jax.random.key(0), len(SHAPES[name]))
    return [(draws(key, shape), jnp.zeros(shape[-1])) for key, shape in zip(keys, SHAPES[name], strict=True)]


def logits_of(parameters: Parameters, images: jax.Array) -> jax.Array:
    """Return the logits of images, float32 [N, 28, 28, 1]."""
    x = images
    for kernel, bias in parameters:
        if kernel.ndim == 4:
            x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + bias)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        else:
            x = x.reshape(len(x), -1) @ kernel + bias
            x = x if kernel.shape[-1] == 10 else jax.nn.relu(x)
    return x


def loss_of(parameters: Parameters, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Return the mean cross-entropy."""
    likelihoods = jax.nn.log_softmax(logits_of(parameters, images))
    return -jnp.mean(jnp.take_along_axis(likelihoods, labels[:, None], axis=1))


def adam(state: Any, gradients: Any) -> Any:
    """Return parameters, moments and step after Adam's update."""
    parameters, first, second, step = state
    step = step + 1
    rate = RATE * jnp.sqrt(1 - DECAYS[1] ** step) / (1 - DECAYS[0] ** step)
    first = jax.tree.map(lambda m, g: m + (g - m) * (1 - DECAYS[0]), first, gradients)
    second = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - DECAYS[1]), second, gradients)
    move = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), parameters, first, second)
    return move, first, second, step


def main(path: str, name: str) -> None:
    """Train an epoch for each line of standard input."""
    arrays = np.load(path)
    images, labels = jnp.asarray(arrays["pixels"]), jnp.asarray(arrays["labels"])
    parameters = initial(name)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, zeros, jnp.float32(0))
    random = np.random.default_rng(0)

    @jax.jit
    def epoch(state: Any, order: jax.Array, images: jax.Array, labels: jax.Array) -> Any:
        def step(state: Any, rows: jax.Array) -> Any:
            batch = images[rows].astype(jnp.float32) * (1 / 255)
            return adam(state, jax.grad(loss_of)(state[0], batch, labels[rows])), None

        return jax.lax.scan(step, state, order)[0]

    for line in sys.stdin:
        if line.strip() == "test":
            found = logits_of(state[0], jnp.asarray(arrays["test_images"])).argmax(1)
            print(float((found == arrays["test_labels"]).mean()), flush=True)
        else:
            rows = random.permutation(len(labels))[: len(labels) // BATCH * BATCH].reshape(-1, BATCH)
            state = jax.block_until_ready(epoch(state, rows.astype(np.int32), images, labels))
            print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
