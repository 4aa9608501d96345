"""A network that has all those of a space in it: trained once, and cut for each board.

As in "Once-for-All" (arXiv:1908.09791) the networks share weights: a narrow one has the first
channels of a wide one, a shallow stage the first blocks of a deep one. They are trained together by
the sandwich rule with the largest as the teacher of the others (arXiv:1903.05134), and the
statistics of their normalizations are found anew when one is cut.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..compress.keras.base import Data, Work
from ..errors import CompileError
from ..files.folder import written
from ..ir import Array
from ..listener import SILENT, Listener
from ..run.npz import NPZ_ERRORS
from .network import Network, build
from .recipe import Trained
from .space import Space, SuperTraining, stages

BATCHES = 8
"""Of training inputs, by which normalizations get their statistics."""
EPSILON = 1e-3
"""Of normalizations, Keras's."""


@dataclass(frozen=True, eq=False)
class Supernet:
    """weights: name -> float32, of the largest network of the ``space``: kernels [kh, kw, in, out],
    of depthwise convolutions [kh, kw, in, 1], of the dense layer [in, classes], ``_gamma`` and
    ``_beta`` of normalizations [out]; data, pixels, training, how: what it was trained by."""

    space: Space
    weights: Mapping[str, Array]
    data: str
    pixels: tuple[float, float]
    training: Trained
    how: SuperTraining


def layers(network: Network) -> Iterator[tuple[str, str, str, tuple[int, int, int], int]]:
    """Of each convolution of a network: its name in Keras's model, its name in the supernet,
    ``conv`` or ``depthwise``, its kernel's size and channels (k, in, out), and its stride."""
    yield "stem", "stem", "conv", (3, 0, network.stem), network.stem_stride
    channels = network.stem
    for index, (stage, place, block) in enumerate(stages(network), 1):
        name, shared = f"block{index}", f"stage{stage}_{place}"
        size, stride = block.kernel, block.stride
        if block.form == "separable":
            shape = (size, channels, channels)
            yield f"{name}_depthwise", f"{shared}_depthwise", "depthwise", shape, stride
            size, stride = 1, 1
        yield name, shared, "conv", (size, channels, block.filters), stride
        channels = block.filters


def shape_of(kind: str, shape: tuple[int, int, int], inputs: int) -> tuple[int, int, int, int]:
    """Of a kernel, whose ``in`` is 0 where it reads the image of ``inputs`` channels."""
    size, source, target = shape
    source = source or inputs
    return (size, size, source, 1 if kind == "depthwise" else target)


def forward(
    network: Network,
    weights: Mapping[str, Any],
    x: Any,
    norm: Callable[[str, Any, Any, Any], Any],
) -> Any:
    """Scores of float32 images [n, height, width, channels] by the part of ``weights`` that a
    network has; norm: (name in Keras's model, x, gamma, beta) -> x normalized."""
    import tensorflow as tf

    channels = int(x.shape[-1])
    for name, shared, kind, shape, stride in layers(network):
        _, _, source, target = shape_of(kind, shape, channels)
        kernel = weights[shared][:, :, :source, :target]
        if kind == "depthwise":
            x = tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")
        else:
            x = tf.nn.conv2d(x, kernel, stride, "SAME")
        out = int(x.shape[-1])
        gamma, beta = weights[f"{shared}_gamma"][:out], weights[f"{shared}_beta"][:out]
        x = tf.nn.relu(norm(name, x, gamma, beta))
    x = tf.reduce_mean(x, (1, 2))
    return tf.matmul(x, weights["scores"][: int(x.shape[-1])]) + weights["scores_bias"]


def masked(largest: Network, weights: Mapping[str, Any], x: Any, part: Mapping[str, Any]) -> Any:
    """The same, normalized by the batch, of a network that ``part`` tells, see `parts`: whatever
    is not in it is computed and left out, so that one graph trains all of them."""
    import tensorflow as tf

    entry = x
    for _, shared, kind, _, stride in layers(largest):
        begins = shared.endswith("_depthwise") or f"{shared}_depthwise" not in weights
        entry = x if begins else entry
        if kind == "depthwise":
            y = tf.nn.depthwise_conv2d(x, weights[shared], [1, stride, stride, 1], "SAME")
        else:
            y = tf.nn.conv2d(x, weights[shared], stride, "SAME")
        mean, variance = tf.nn.moments(y, (0, 1, 2))
        gamma, beta = weights[f"{shared}_gamma"], weights[f"{shared}_beta"]
        y = tf.nn.relu(tf.nn.batch_normalization(y, mean, variance, beta, gamma, EPSILON))
        y *= part[shared]
        ends = not shared.endswith("_depthwise")
        inner = shared.startswith("stage") and shared.split("_")[1] != "1"
        x = tf.where(part[f"{shared}_on"] > 0, y, entry) if ends and inner else y
    x = tf.reduce_mean(x, (1, 2))
    return tf.matmul(x, weights["scores"]) + weights["scores_bias"]


def parts(largest: Network, network: Network, inputs: int) -> dict[str, Array]:
    """What of the largest network another one has: of each layer float32 [out], 1 for its channels,
    and under its name with ``_on`` whether it has it at all, of those that it lacks the channels of
    its stage."""
    known = {shared: (kind, shape) for _, shared, kind, shape, _ in layers(network)}
    found: dict[str, Array] = {}
    width = np.ones(0, np.float32)
    for _, shared, kind, shape, _ in layers(largest):
        _, _, source, target = shape_of(kind, shape, inputs)
        most = source if kind == "depthwise" else target
        if shared in known:
            own = shape_of(*known[shared], inputs)
            width = (np.arange(most) < (own[2] if kind == "depthwise" else own[3])).astype("f4")
        found[shared] = width
        found[f"{shared}_on"] = np.array(shared in known, np.float32)
    return found


def train(
    space: Space,
    how: SuperTraining,
    work: Work,
    trained: Trained,
    pixels: tuple[float, float],
    listener: Listener = SILENT,
) -> Supernet:
    """The supernet of a space, trained on the work's data; its model is not looked at.

    Deterministic by the training's seed. Raises CompileError E209 (a space with several kernels,
    forms or strides of the stem, which share no weights), E361 (no classes; a loss that is not
    finite).
    """
    import tensorflow as tf
    import tf_keras

    from ..compress.keras.training import batches

    check(space, work.data)
    rng = np.random.default_rng(trained.seed)
    largest, smallest = space.edge(-1), space.edge(0)
    weights = {
        name: tf.Variable(value, name=name)
        for name, value in _initial(largest, work.data, rng).items()
    }
    per_epoch = math.ceil(len(work.data.x) / trained.batch)
    steps = max(1, round(how.epochs * per_epoch))
    rate = tf_keras.optimizers.schedules.CosineDecay(trained.learning_rate, steps)
    optimizer = tf_keras.optimizers.Adam(rate)
    variables = list(weights.values())
    optimizer.build(variables)
    inputs = work.data.x.shape[-1]
    whole = parts(largest, largest, inputs)

    def step(x: Any, y: Any, others: Any) -> Any:
        with tf.GradientTape() as tape:
            scores = masked(largest, weights, x, whole)
            target = tf.one_hot(y, work.data.classes)
            total = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, scores))
            taught = tf.stop_gradient(tf.nn.softmax(scores))
            for part in others:
                given = masked(largest, weights, x, part)
                each = tf.nn.softmax_cross_entropy_with_logits(taught, given)
                total += tf.reduce_mean(each)
        gradients = tape.gradient(total, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return total / (1 + len(others))

    compiled = tf.function(step, reduce_retracing=True)
    loss = 0.0
    with listener.progress("training the supernet", steps) as advance:
        for number, (x, y) in enumerate(batches(work, steps)):
            others = [smallest, *(_random(space, rng) for _ in range(how.between))]
            told = [parts(largest, network, inputs) for network in others]
            tensors = [{name: tf.constant(v) for name, v in part.items()} for part in told]
            loss = float(compiled(x, y, tensors))
            if not math.isfinite(loss):
                what, hint = f"its loss is {loss}", "a lower learning_rate may do"
                raise CompileError("E361", "supernet", what, hint)
            if (number + 1) % per_epoch == 0:
                listener.detail(f"supernet: step {number + 1} of {steps}, loss {loss:.4f}")
            advance()
    listener.info(f"trained the supernet, {steps} steps, loss {loss:.4f}")
    values = {name: variable.numpy() for name, variable in weights.items()}
    return Supernet(space, values, work.data.name, pixels, trained, how)


def check(space: Space, data: Data) -> None:
    """Raises CompileError E209, E361, see `train`."""
    for name in ("kernels", "forms", "stem_stride"):
        if len(values := getattr(space, name)) > 1:
            what = f"{values}: networks with others share no weights"
            raise CompileError("E209", f"space.{name}", what, "leave one for a supernet")
    if data.y is None:
        what, hint = "trains with labels, and there are none", "give classes as 'y'"
        raise CompileError("E361", "supernet", what, hint)


def _random(space: Space, rng: np.random.Generator) -> Network:
    return space.network(lambda _, values: values[int(rng.integers(len(values)))])


def _initial(network: Network, data: Data, rng: np.random.Generator) -> dict[str, Array]:
    """He's, normal (arXiv:1502.01852)."""
    found: dict[str, Array] = {}
    for _, shared, kind, shape, _ in layers(network):
        size = shape_of(kind, shape, data.x.shape[-1])
        fan = size[0] * size[1] * (1 if kind == "depthwise" else size[2])
        found[shared] = rng.normal(0, math.sqrt(2 / fan), size).astype(np.float32)
        out = size[2] if kind == "depthwise" else size[3]
        found[f"{shared}_gamma"] = np.ones(out, np.float32)
        found[f"{shared}_beta"] = np.zeros(out, np.float32)
    width = network.blocks[-1].filters if network.blocks else network.stem
    scale = math.sqrt(1 / width)
    found["scores"] = rng.normal(0, scale, (width, data.classes)).astype(np.float32)
    found["scores_bias"] = np.zeros(data.classes, np.float32)
    return found


def cut(supernet: Supernet, network: Network, data: Data, seed: int = 0) -> Any:
    """The Keras model of a network of the supernet's space, its normalizations' statistics those of
    training inputs. Raises CompileError E209 (it is not in the space)."""
    import tensorflow as tf

    check_inside(supernet.space, network)
    shape = data.x.shape[1:]
    model = build(network, shape, data.classes, seed)
    known: dict[str, list[tuple[Any, Any]]] = {}

    def norm(name: str, x: Any, gamma: Any, beta: Any) -> Any:
        mean, variance = tf.nn.moments(x, (0, 1, 2))
        known.setdefault(name, []).append((mean, variance))
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, EPSILON)

    batch = supernet.training.batch
    inputs = data.typical(BATCHES * batch, seed)
    for first in range(0, len(inputs) - len(inputs) % batch or len(inputs), batch):
        forward(network, supernet.weights, tf.constant(inputs[first : first + batch]), norm)
    for name, shared, kind, size, _ in layers(network):
        _, _, source, target = shape_of(kind, size, shape[-1])
        model.get_layer(name).set_weights([supernet.weights[shared][:, :, :source, :target]])
        out = source if kind == "depthwise" else target
        mean, variance = (np.mean([np.asarray(s[i]) for s in known[name]], 0) for i in (0, 1))
        gamma, beta = (supernet.weights[f"{shared}_{part}"][:out] for part in ("gamma", "beta"))
        model.get_layer(f"{name}_norm").set_weights([gamma, beta, mean, variance])
    last = model.get_layer("scores")
    width = int(last.kernel.shape[0])
    last.set_weights([supernet.weights["scores"][:width], supernet.weights["scores_bias"]])
    return model


def check_inside(space: Space, network: Network) -> None:
    """Raises CompileError E209 where a network is none of a space."""
    found: dict[int, list[Any]] = {}
    for stage, _, block in stages(network):
        found.setdefault(stage, []).append(block)
    inside = (
        network.stem in space.stem
        and network.stem_stride in space.stem_stride
        and sorted(found) == list(range(1, space.stages + 1))
        and all(
            len(blocks) in space.depth
            and len({b.filters for b in blocks}) == 1
            and blocks[0].filters in space.filters
            and all(b.kernel in space.kernels and b.form in space.forms for b in blocks)
            for blocks in found.values()
        )
    )
    if not inside:
        raise CompileError("E209", "subnet", f"{network.text} is none of the supernet's networks")


def save(supernet: Supernet, path: Path) -> None:
    """As an ``.npz`` with the weights, and what else is known as JSON in ``about``."""
    about = {
        "space": supernet.space.model_dump(),
        "data": supernet.data,
        "pixels": supernet.pixels,
        "training": supernet.training.model_dump(),
        "how": supernet.how.model_dump(),
    }
    content = io.BytesIO()
    np.savez(content, about=np.array(json.dumps(about)), **supernet.weights)
    with written(path) as file:
        file.write(content.getvalue())


def load(path: Path) -> Supernet:
    """What `save` wrote. Raises CompileError E210 (it is none), E219 (no such file)."""
    hint = "`tinyc search` writes one by a recipe with [supernet]"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        return Supernet(
            Space.model_validate(about["space"]), arrays, about["data"], tuple(about["pixels"]),
            Trained.model_validate(about["training"]), SuperTraining.model_validate(about["how"]),
        )  # fmt: skip
    except FileNotFoundError:
        raise CompileError("E219", str(path), "there is no such supernet", hint) from None
    except (*NPZ_ERRORS, AttributeError) as error:
        what = f"is no supernet: {' '.join(str(error).split())[:200]}"
        raise CompileError("E210", str(path), what, hint) from None
