"""Curves for TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Epoch:
    """number: how many epochs are done; loss and accuracy: means over the training images as
    they were seen; held_out: accuracy 0..1 on the held-out ones."""

    number: int
    loss: float
    accuracy: float
    held_out: float


class Logs:
    """Event files in ``folder``: loss, accuracy and learning rate after each epoch."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, step: int, epoch: Epoch, rate: float) -> None:
        """Add the points of one epoch at ``step``."""
        import tensorflow as tf
        from tensorflow.core.framework.summary_pb2 import DATA_CLASS_SCALAR, SummaryMetadata

        # `tf.summary.scalar` would need the tensorboard package; this is what it writes.
        kind = SummaryMetadata(
            data_class=DATA_CLASS_SCALAR,
            plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"),
        )
        points = {
            "training/loss": epoch.loss, "training/accuracy": epoch.accuracy,
            "held_out/accuracy": epoch.held_out, "training/learning_rate": rate,
        }  # fmt: skip
        with self._writer.as_default():
            for tag, value in points.items():
                tf.summary.write(tag, tf.constant(value, tf.float32), step, metadata=kind)
        self._writer.flush()
