"""Curves for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class Curves:
    """Event files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, step: int, points: Mapping[str, float]) -> None:
        """Add a point at ``step`` to each of some curves, by their names."""
        import tensorflow as tf
        from tensorflow.core.framework.summary_pb2 import DATA_CLASS_SCALAR, SummaryMetadata

        # `tf.summary.scalar` would need the tensorboard package; this is what it writes.
        kind = SummaryMetadata(
            data_class=DATA_CLASS_SCALAR,
            plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"),
        )
        with self._writer.as_default():
            for tag, value in points.items():
                tf.summary.write(tag, tf.constant(value, tf.float32), step, metadata=kind)
        self._writer.flush()
