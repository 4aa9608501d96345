"""Handwritten digits by a network with two heads: train it, measure what leaving it early saves.

python examples/early_exit.py [FOLDER]    writes digits.tflite, which is int8, and test.npz there

`tinyc test FOLDER/digits.tflite --data FOLDER/test.npz --board stm32 --early-exit 0.8` is a line of
the table that it prints.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import tinyc

BOARDS = ("stm32", "nucleo_g0b1re")
THRESHOLDS = (0.5, 0.8, 0.95, 1.0)


def train(folder: Path) -> None:
    """A side head behind the first convolution, a final one behind two more: both end in a softmax,
    both are outputs of the model, both are trained at once."""
    import tensorflow as tf
    import tf_keras as keras
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).reshape(-1, 8, 8, 1).astype(np.float32)
    seen, held_out, labels, truth = train_test_split(
        x, y, test_size=0.4, random_state=0, stratify=y
    )
    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    a = layers.Conv2D(8, 3, padding="same", activation="relu", strides=2)(image)
    early = layers.Dense(10, activation="softmax", name="early")(layers.Flatten()(a))
    b = layers.Conv2D(32, 3, padding="same", activation="relu")(a)
    b = layers.Conv2D(32, 3, padding="same", activation="relu")(b)
    final = layers.Dense(10, activation="softmax", name="final")(layers.Flatten()(b))
    model = keras.Model(image, [early, final], name="digits")
    model.compile("adam", "sparse_categorical_crossentropy", loss_weights=[0.3, 1.0])
    model.fit(seen, [labels, labels], epochs=40, batch_size=32, verbose=0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in seen[:200])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "digits.tflite").write_bytes(converter.convert())
    np.savez(folder / "test.npz", x=held_out, y=truth)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    train(folder)
    heading = "board", "threshold", "left early", "accuracy", "early", "final", "average", "worst"
    print(f"| {' | '.join(heading)} |\n|{' --- |' * len(heading)}")
    for board in BOARDS:
        for threshold in THRESHOLDS:
            firmware = tinyc.compile(folder / "digits.tflite", board, early_exit=threshold)
            test = firmware.test(folder / "test.npz")
            assert not test["mismatches"]
            found = test["early_exit"]
            parts = [
                f"{found[key]:.4f}" if key in found else ""
                for key in ("accuracy_early", "accuracy_final")
            ]
            cycles = [f"{found[f'{key}_cycles']:,}" for key in ("average", "worst_case")]
            cells = [board, threshold, f"{found['share']:.1%}", f"{test['accuracy']:.4f}"]
            print(f"| {' | '.join(map(str, [*cells, *parts, *cycles]))} |", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
