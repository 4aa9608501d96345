"""The training that techniques share: steps whose weights stay within what is allowed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CompileError
from .base import Precision, Projection, Work, kernel, kernel_layers
from .chain import reproduces
from .curves import Curves

EVALUATION_BATCH = 250


def fit(
    work: Work,
    model: Any = None,
    *,
    callbacks: Sequence[Any] = (),
    projections: Mapping[str, Projection] | None = None,
    epochs: float | None = None,
    on_gradients: Callable[[int, Mapping[str, Any], Mapping[str, Any]], None] | None = None,
    label: str = "training",
) -> None:
    """Train ``model`` (by default the work's) in place, as ``work.training`` says, its projections
    and ``projections`` (layer -> one more) applied before each step and after the last: the
    gradient at the projected weights moves latent ones of which they are the projection. Of no
    epochs nothing but the projections is left.

    callbacks: Keras's, as those of TFMOT; epochs: other than the training's; on_gradients: called
    after each step with its number and, of each layer with projections, the gradient of its
    projected kernel, and the variable of its latent one. Deterministic by the seed. Raises
    CompileError E361 (a loss that is not finite).
    """
    import tensorflow as tf
    import tf_keras

    training = work.training
    model = work.model if model is None else model
    per_epoch = math.ceil(len(work.data.x) / training.batch)
    steps = steps_of(work, epochs)
    if not steps:
        hold(work, model, projections)
        return
    tf_keras.utils.set_random_seed(training.seed)
    # What holds TFMOT's wrappers has been made in its precision, see `tfmot.wrap`.
    trained = model
    if plain(model):
        trained = in_precision(model, precision(training.precision, work))
    layers = kernel_layers(trained)
    held = _held(work, projections or {}, layers)
    latent = {name: tf.Variable(kernel(layers[name]), name=f"latent_{name}") for name in held}
    rate = tf_keras.optimizers.schedules.CosineDecay(training.learning_rate, steps)
    optimizer = tf_keras.optimizers.Adam(rate)
    scaler = None
    if any(layer.compute_dtype == "float16" for layer in trained.layers):
        # Gradients would vanish.
        scaler = tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
    moved = list(trained.trainable_variables)
    place = {id(kernel(layers[name])): name for name in held}
    # The latent weights are those that the optimizer moves.
    names = [place.get(id(v)) for v in moved]
    targets = [v if name is None else latent[name] for v, name in zip(moved, names, strict=True)]
    moving = scaler or optimizer
    moving.build(targets)
    loss_of = work.loss or task_loss(work)

    def project() -> None:
        for name, functions in held.items():
            value = latent[name].read_value()
            for function in functions:
                value = function(value)
            kernel(layers[name]).assign(value)

    def step(x: Any, y: Any) -> Any:
        project()
        with tf.GradientTape() as tape:
            loss = loss_of(trained, x, y, True)
            if trained.losses:
                loss += tf.add_n(trained.losses)
            scaled = scaler.get_scaled_loss(loss) if scaler else loss
        gradients = tape.gradient(scaled, moved)
        if scaler:
            gradients = scaler.get_unscaled_gradients(gradients)
        pairs = [(g, t) for g, t in zip(gradients, targets, strict=True) if g is not None]
        moving.apply_gradients(pairs)
        return loss, {n: g for n, g in zip(names, gradients, strict=True) if n is not None}

    compiled = tf.function(step, reduce_retracing=True)
    hooks = tf_keras.callbacks.CallbackList(list(callbacks), model=trained)
    hooks.on_train_begin()
    curves = None
    if training.folder is not None:
        curves = Curves(training.folder / "-".join((*work.done, label)).replace(":", "_"))
    began, losses = time.monotonic(), []
    with work.listener.progress(label, steps) as advance:
        for number, (x, y) in enumerate(batches(work, steps)):
            if number % per_epoch == 0:
                hooks.on_epoch_begin(number // per_epoch)
            hooks.on_train_batch_begin(number)
            loss, gradients = compiled(x, y)
            losses.append(loss)
            hooks.on_train_batch_end(number)
            advance()
            if on_gradients is not None:
                on_gradients(number, gradients, latent)
            if (number + 1) % per_epoch == 0 or number + 1 == steps:
                hooks.on_epoch_end(number // per_epoch)
                mean = float(tf.reduce_mean(losses))
                losses.clear()
                if not math.isfinite(mean):
                    what, hint = f"its loss is {mean}", "a lower --learning-rate may do"
                    raise CompileError("E361", label, what, hint)
                if curves is not None:
                    rate_now = float(optimizer.learning_rate)
                    points = {"training/loss": mean, "training/learning_rate": rate_now}
                    curves.write(number + 1, points)
                spent = time.monotonic() - began
                work.listener.info(
                    f"{label}: step {number + 1} of {steps}, loss {mean:.4f}, {spent:.0f} s"
                )
    hooks.on_train_end()
    project()
    if trained is not model:
        model.set_weights(trained.get_weights())


def hold(work: Work, model: Any, projections: Mapping[str, Projection] | None = None) -> None:
    """Apply the work's projections and ``projections`` to the kernels of ``model``, in place."""
    layers = kernel_layers(model)
    for name, functions in _held(work, projections or {}, layers).items():
        value = kernel(layers[name]).value()
        for function in functions:
            value = function(value)
        kernel(layers[name]).assign(value)


def steps_of(work: Work, epochs: float | None = None) -> int:
    """Steps of a training of so many epochs, by default those of ``work.training``; 0 if none."""
    count = work.training.epochs if epochs is None else epochs
    per_epoch = math.ceil(len(work.data.x) / work.training.batch)
    return max(1, round(count * per_epoch)) if count > 0 else 0


def _held(
    work: Work, more: Mapping[str, Projection], layers: Mapping[str, Any]
) -> dict[str, tuple[Projection, ...]]:
    names = [n for n in layers if n in work.projections or n in more]
    extra = {name: (project,) for name, project in more.items()}
    return {n: (*work.projections.get(n, ()), *extra.get(n, ())) for n in names}


def task_loss(work: Work) -> Callable[[Any, Any, Any, bool], Any]:
    """(model, x, y, training) -> scalar: cross-entropy by classes, or, of a model that reproduces
    its inputs and has no labels, the mean square of what it misses."""
    import tensorflow as tf
    import tf_keras

    if work.data.y is None:
        assert reproduces(work.model)
        return lambda model, x, _, training: tf.reduce_mean(
            tf.square(tf.cast(model(x, training=training), tf.float32) - x)
        )
    smoothing = work.training.label_smoothing
    logits = not gives_probabilities(work.model)
    classes = int(work.model.output_shape[-1])

    def loss(model: Any, x: Any, y: Any, training: bool) -> Any:
        scores = tf.cast(model(x, training=training), tf.float32)
        target = tf.one_hot(y, classes)
        each = tf_keras.losses.categorical_crossentropy(
            target, scores, from_logits=logits, label_smoothing=smoothing
        )
        return tf.reduce_mean(each)

    return loss


def gives_probabilities(model: Any) -> bool:
    """Whether a model ends in a softmax."""
    last = model.layers[-1]
    activation = getattr(last, "activation", None)
    return type(last).__name__ == "Softmax" or getattr(activation, "__name__", "") == "softmax"


def batches(work: Work, steps: int) -> Iterator[tuple[Any, Any]]:
    """Shuffled, augmented, as the network takes them."""
    import tensorflow as tf

    data, training = work.data, work.training
    rng = np.random.default_rng((training.seed, len(work.done)))
    order = np.zeros(0, np.int64)
    for _ in range(steps):
        while len(order) < min(training.batch, len(data.x)):
            order = np.concatenate([order, rng.permutation(len(data.x))])
        now, order = order[: training.batch], order[training.batch :]
        x = data.inputs(_augmented(data.x[now], training.shift, training.flip, rng))
        y = np.zeros(len(now), np.int64) if data.y is None else data.y[now]
        yield tf.constant(x), tf.constant(y)


def _augmented(x: Any, shift: int, flip: bool, rng: np.random.Generator) -> Any:
    """Images [n, height, width, channels], each shifted and mirrored at random."""
    if x.ndim != 4 or not (shift or flip):
        return x
    n, height, width, _ = x.shape
    if flip:
        mirrored = rng.random(n) < 0.5
        x = np.where(mirrored[:, None, None, None], x[:, :, ::-1], x)
    if shift:
        padded = np.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)), mode="reflect")
        down, right = rng.integers(0, 2 * shift + 1, (2, n))
        rows = down[:, None] + np.arange(height)
        columns = right[:, None] + np.arange(width)
        x = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return x


def scores(model: Any, work: Work, x: Any) -> Any:
    """float32 [n, outputs] of inputs as the data have them."""
    import tensorflow as tf

    def given(t: Any) -> Any:
        made = model(t, training=False)
        if work.early_exit is None or not isinstance(made, list):
            return made
        side, final = made
        sure = tf.reduce_max(side, -1, keepdims=True) >= work.early_exit
        return tf.where(sure, side, final)

    predict = tf.function(given, reduce_retracing=True)
    parts = [
        tf.cast(predict(tf.constant(work.data.inputs(x[i : i + EVALUATION_BATCH]))), tf.float32)
        for i in range(0, len(x), EVALUATION_BATCH)
    ]
    return np.concatenate([np.asarray(part) for part in parts])


def accuracy(model: Any, work: Work) -> float | None:
    """0..1 on the held-out data, in float; None without labels."""
    if work.data.y_test is None:
        return None
    found = scores(model, work, work.data.x_test).argmax(-1)
    return float(np.mean(found == work.data.y_test))


# Precision ----------------------------------------------------------------------------------


def precision(asked: Precision, work: Work) -> str:
    """Keras's policy, and a word where it will be slower than float32."""
    quick = quick_precision()
    if asked == "auto":
        return quick
    if asked not in ("float32", quick):
        work.listener.warn(f"this machine has no instructions for {asked}: float32 is quicker here")
    return asked


def quick_precision() -> str:
    """mixed_bfloat16 where the machine has instructions for such products, else float32."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        # Tensor cores multiply bfloat16 from compute capability 8.0 on (CUDA C++ Programming
        # Guide, "Compute Capabilities").
        found = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "mixed_bfloat16" if found >= (8, 0) else "float32"
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "float32"
    return "mixed_bfloat16" if words & {"avx512_bf16", "amx_bf16"} else "float32"


def copied(model: Any) -> Any:
    """``model`` with weights of its own, so that training one leaves the other."""
    import tf_keras

    made = tf_keras.models.clone_model(model)
    made.set_weights(model.get_weights())
    return made


def in_precision(model: Any, policy: str) -> Any:
    """``model`` itself for float32, else a clone of equal weights that computes in ``policy``, but
    for its last layer and what has an activation of scores, which stay float32."""
    import tf_keras

    if policy == "float32":
        return model
    outputs = set(model.output_names)

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        last = layer.name in outputs or type(layer).__name__ == "Softmax"
        config["dtype"] = "float32" if last or type(layer).__name__ == "InputLayer" else policy
        return type(layer).from_config(config)

    made = tf_keras.models.clone_model(model, clone_function=clone)
    made.set_weights(model.get_weights())
    return made


def plain(model: Any) -> bool:
    """Whether all layers are Keras's own, which compute in any precision."""
    return all(type(layer).__module__.startswith("tf_keras.") for layer in model.layers)
