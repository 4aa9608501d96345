"""The training itself: steps, checkpoints, logs. What a step does depends on nothing but the
recipe and the step's number, so that a training that was interrupted goes on as if it had not.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..compress.keras.training import quick_precision
from ..errors import CompileError
from ..files.folder import written
from ..run.npz import NPZ_ERRORS
from . import packages
from .dataset import Dataset
from .logs import Epoch, Logs
from .network import build
from .recipe import Recipe

EVALUATION_BATCH = 250


class Training:
    """A network on its way through a recipe.

    recipe, data: what to train; folder: where ``checkpoint.npz`` and ``logs/`` lie; resume: go
    on from the checkpoint if there is one. Raises CompileError E220 where that is of another
    recipe or cannot be read, E221 where the data cannot fill one batch or its images are too
    small for the recipe.
    """

    def __init__(self, recipe: Recipe, data: Dataset, folder: Path, resume: bool = True) -> None:
        tf = packages.tensorflow(recipe.model.body == "binary")
        import tf_keras

        self.recipe, self.data, self.folder = recipe, data, folder
        self.steps_per_epoch = len(data.x) // recipe.optimizer.batch
        if not self.steps_per_epoch:
            raise CompileError(
                "E221", "optimizer.batch",
                f"{recipe.optimizer.batch} is more than the {len(data.x)} training images",
            )  # fmt: skip
        _check_sizes(recipe, data.x.shape[1:3])
        self.precision = quick_precision()
        tf_keras.backend.clear_session()
        tf_keras.utils.set_random_seed(recipe.seed)
        before = tf_keras.mixed_precision.global_policy()
        try:
            tf_keras.mixed_precision.set_global_policy(self.precision)
            self.model = build(recipe.model, data.x.shape[1:], data.classes)
        finally:
            tf_keras.mixed_precision.set_global_policy(before)
        rate = tf_keras.optimizers.schedules.CosineDecay(
            recipe.optimizer.learning_rate, self.steps_per_epoch * recipe.epochs
        )
        self.optimizer = tf_keras.optimizers.Adam(rate)
        self.optimizer.build(self.model.trainable_variables)
        self.seconds = 0.0
        self._sums = tf.Variable([0.0, 0.0])
        self._step = _training_step(self)
        self._predict = tf.function(lambda x: self.model(x, training=False), reduce_retracing=True)
        if resume and self.checkpoint.exists():
            self._restore()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def _identity(self) -> str:
        """Equal for trainings that take the same steps."""
        return self.recipe.fingerprint + self.data.digest

    @property
    def done(self) -> int:
        """Steps that were taken: the optimizer counts them with the weights that it changes, so
        that an interrupt cannot come between."""
        return int(self.optimizer.iterations.numpy())

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.steps_per_epoch * self.recipe.epochs

    def run(self, on_step: Callable[[int], None], on_epoch: Callable[[Epoch], None]) -> None:
        """Train to the end. on_step: told the number of steps done; on_epoch: after each epoch.

        The checkpoint is written after each epoch and when an exception (Ctrl-C too) ends this.
        """
        logs = Logs(self.folder / "logs")
        at = time.monotonic()
        try:
            while True:
                epoch, first = divmod(self.done, self.steps_per_epoch)
                if not first and self._sums.numpy().any():
                    epoch -= 1  # interrupted behind its last step
                elif self.done == self.total:
                    break
                else:
                    for batch in self._batches(epoch, first):
                        self._step(batch, (self.recipe.seed, self.done))
                        on_step(self.done)
                seen = self._sums.numpy() / (self.steps_per_epoch * self.recipe.optimizer.batch)
                loss, right = map(float, seen)
                result = Epoch(epoch + 1, loss, right, self.held_out())
                self._sums.assign([0.0, 0.0])
                rate = float(self.optimizer.learning_rate)
                logs.write(epoch + 1, result, rate)
                on_epoch(result)
                self.seconds, at = self.seconds + time.monotonic() - at, time.monotonic()
                self.save()
        except BaseException:
            self.seconds += time.monotonic() - at
            self.save()
            raise

    def _batches(self, epoch: int, first: int) -> Iterator[Any]:
        """Indices int32 [batch] of the epoch's images, shuffled, from batch ``first`` on."""
        import tensorflow as tf

        order = np.random.default_rng((self.recipe.seed, epoch)).permutation(len(self.data.x))
        size = self.recipe.optimizer.batch
        for index in range(first, self.steps_per_epoch):
            yield tf.constant(order[index * size : (index + 1) * size], tf.int32)

    def held_out(self) -> float:
        """Accuracy 0..1 on the held-out images, in the arithmetic of the training."""
        x, y = self.data.x_test, self.data.y_test
        right = 0
        for start in range(0, len(x), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            scores = self._predict(self.data.normalized(x[part])).numpy()
            right += int(np.sum(scores.argmax(-1) == y[part]))
        return right / len(x)

    def trained(self) -> Any:
        """A float32 Keras model with the weights, in the order to export."""
        model = build(self.recipe.model, self.data.x.shape[1:], self.data.classes, fused=True)
        model.set_weights(self.model.get_weights())
        return model

    def _state(self) -> list[Any]:
        """The variables that a checkpoint holds, in order."""
        return [*self.model.variables, *self.optimizer.variables, self._sums]

    def save(self) -> None:
        """Write the checkpoint; it appears whole or not at all."""
        arrays = {f"v{i}": variable.numpy() for i, variable in enumerate(self._state())}
        # In memory first: an interrupt would leave numpy's archive without its file.
        content = io.BytesIO()
        np.savez(content, recipe=self._identity, seconds=self.seconds, **arrays)
        with written(self.checkpoint) as file:
            file.write(content.getbuffer())

    def _restore(self) -> None:
        hint = "pass --fresh to start anew"
        try:
            with np.load(self.checkpoint, allow_pickle=False) as file:
                if str(file["recipe"]) != self._identity:
                    what = "is of another recipe or of other data"
                    raise CompileError("E220", str(self.checkpoint), what, hint)
                for index, variable in enumerate(self._state()):
                    variable.assign(file[f"v{index}"])
                self.seconds = float(file["seconds"])
        except NPZ_ERRORS as error:
            raise CompileError(
                "E220", str(self.checkpoint), f"cannot be read: {error}", hint
            ) from None


def _training_step(training: Training) -> Any:
    """(indices int32 [batch], seed int32 [2]) -> None: one step, compiled by TensorFlow."""
    import tensorflow as tf
    import tf_keras

    recipe, data, model = training.recipe, training.data, training.model
    images, labels = tf.constant(data.x), tf.constant(data.y)
    loss_of = tf_keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.optimizer.label_smoothing
    )
    variables = model.trainable_variables

    def step(indices: Any, seed: Any) -> None:
        x, y = tf.gather(images, indices), tf.gather(labels, indices)
        x = _augmented(x, recipe.augment.shift, recipe.augment.flip, seed)
        x = (tf.cast(x, tf.float32) - data.middle) / data.middle
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = loss_of(tf.one_hot(y, data.classes), logits)
        training.optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )
        right = tf.reduce_sum(tf.cast(tf.argmax(logits, -1) == y, tf.float32))
        training._sums.assign_add([loss * recipe.optimizer.batch, right])

    indices, seed = tf.TensorSpec([recipe.optimizer.batch], tf.int32), tf.TensorSpec([2], tf.int32)
    return tf.function(step, input_signature=[indices, seed])


def _check_sizes(recipe: Recipe, image: tuple[int, ...]) -> None:
    size, shift = min(image), recipe.augment.shift
    if shift >= size:
        raise CompileError(
            "E221", "augment.shift", f"{shift} moves an image of {size} pixels out of sight"
        )
    smallest = -(-size // recipe.model.stem_stride) >> (len(recipe.model.stages) - 1)
    if smallest < 1:
        raise CompileError(
            "E221", "model.stages",
            f"{len(recipe.model.stages)} stages halve images of {size} pixels to nothing",
        )  # fmt: skip


def _augmented(x: Any, shift: int, flip: bool, seed: Any) -> Any:
    """Each image of uint8 [n, height, width, channels] shifted and mirrored on its own."""
    import tensorflow as tf

    count, height, width = x.shape[:3]
    if flip:
        mirrored = tf.random.stateless_uniform([count, 1, 1, 1], seed) < 0.5
        x = tf.where(mirrored, tf.reverse(x, [2]), x)
    if shift:
        x = tf.pad(x, [[0, 0], [shift, shift], [shift, shift], [0, 0]], "REFLECT")
        by = tf.random.stateless_uniform([2, count, 1], seed + 1, 0, 2 * shift + 1, tf.int32)
        x = tf.gather(x, by[0] + tf.range(height), axis=1, batch_dims=1)
        x = tf.gather(x, by[1] + tf.range(width), axis=2, batch_dims=1)
    return x
