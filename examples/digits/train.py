"""Train a small int8 classifier of handwritten digits: quantization-aware, then to TFLite.

The data are scikit-learn's 1,797 digits of 8 x 8 pixels, which ship in its package. Writes
``digits.tflite`` and ``digits.npz`` (the held-out digits as floats, and their labels) and prints
one JSON object with the accuracies of the float Keras model and of the TFLite file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

# TFMOT works on Keras 2; both must be said before TensorFlow is imported.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SEED = 7
FLOAT_EPOCHS, QUANTIZED_EPOCHS, BATCH = 40, 15, 64


def load_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels float32 [n, 8, 8, 1] in 0..1 and labels int64 [n]: for training, and held out."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x = (digits.images[..., np.newaxis] / 16.0).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(
        x, digits.target, test_size=0.25, random_state=SEED, stratify=digits.target
    )
    return x_train, y_train, x_test, y_test


def network():
    """Two convolutions, one of them separable, and a classifier: 9,000 parameters or so."""
    import tf_keras as keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(32, 1, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )


def fit(model, x: np.ndarray, y: np.ndarray, epochs: int, rate: float, advance) -> None:
    """Train ``model`` for ``epochs``; ``advance()`` is called after each."""
    import tf_keras as keras

    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    tick = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance())
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[tick])


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(scores.argmax(axis=-1) == labels))


def to_tflite(model, samples: np.ndarray) -> bytes:
    """An int8 model, int8 at its edges too."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[np.newaxis]] for row in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def tflite_accuracy(content: bytes, x: np.ndarray, y: np.ndarray) -> float:
    """The accuracy of a TFLite file in TensorFlow's own interpreter, reference kernels."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(
        model_content=content,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = source["quantization"]
    scores = []
    for row in x:
        quantized = np.clip(np.round(row / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], quantized[np.newaxis])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(target["index"])[0])
    return accuracy(np.array(scores), y)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[int]:
    """Send what native code logs to nowhere; yields a descriptor of the real stderr."""
    real, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield real
    finally:
        os.dup2(real, 2)
        os.close(nowhere)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output-dir", type=Path, default=Path("build/digits"))
    folder = parser.parse_args().output_dir
    folder.mkdir(parents=True, exist_ok=True)

    from rich.console import Console
    from rich.progress import Progress

    with (
        quiet_stderr() as real,
        os.fdopen(real, "w", closefd=False) as stderr,
        Progress(console=Console(file=stderr)) as bar,
    ):
        task = bar.add_task("training", total=FLOAT_EPOCHS + QUANTIZED_EPOCHS + 3)

        def advance() -> None:
            bar.advance(task)

        import tensorflow_model_optimization as tfmot
        import tf_keras as keras

        advance()
        keras.utils.set_random_seed(SEED)
        x_train, y_train, x_test, y_test = load_digits()
        model = network()
        fit(model, x_train, y_train, FLOAT_EPOCHS, 2e-3, advance)
        quantized = tfmot.quantization.keras.quantize_model(model)
        fit(quantized, x_train, y_train, QUANTIZED_EPOCHS, 5e-4, advance)
        content = to_tflite(quantized, x_train[:100])
        advance()
        results = {
            "keras_accuracy": accuracy(model.predict(x_test, verbose=0), y_test),
            "tflite_accuracy": tflite_accuracy(content, x_test, y_test),
            "held_out": len(y_test),
        }
        advance()
    (folder / "digits.tflite").write_bytes(content)
    np.savez(folder / "digits.npz", x=x_test, y=y_test)
    json.dump(results, sys.stdout)
    print()


if __name__ == "__main__":
    main()
