"""Distillation: its loss by its formulas, and a small network that a large one teaches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effects import TRAINING, effect, squares, trained

from tinyc.compress.keras import chain
from tinyc.compress.keras.base import Training, Work
from tinyc.errors import CompileError
from tinyc.listener import Listener


def network(widths: tuple[int, ...], seed: int = 3, classes: int = 5, size: int = 8) -> Any:
    tf_keras = pytest.importorskip("tf_keras")
    tf_keras.utils.set_random_seed(seed)
    keras = tf_keras.layers
    image = tf_keras.Input((size, size, 3))
    x = image
    for at, width in enumerate(widths):
        x = keras.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{at}")(x)
    pooled = keras.MaxPooling2D(2, name="pooled")(x)
    x = keras.Flatten(name="flat")(keras.MaxPooling2D(2)(pooled))
    x = keras.Dense(classes, activation="softmax", name="scores")(x)
    return tf_keras.Model(image, x)


def soft(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.slow
def test_the_loss_is_that_of_its_formulas() -> None:
    tf_keras = pytest.importorskip("tf_keras")
    student, teacher = network((4,)), network((8, 8), seed=9)
    data = squares(50)
    work = Work(student, data, Training(precision="float32"), teacher)
    text = "distill:3:alpha=0.2:maps=conv0+pooled=conv1:attention=50:epochs=0"
    (made,) = chain.run(chain.parse(text), work)
    x, y = data.x, data.y
    found = float(made.loss(student, x, y, False))

    def parts(model: Any, *names: str) -> list[np.ndarray]:
        twin = tf_keras.models.clone_model(model)
        twin.set_weights(model.get_weights())
        twin.get_layer("scores").activation = tf_keras.activations.linear
        outputs = [twin.output, *(twin.get_layer(name).output for name in names)]
        return [np.float64(t.numpy()) for t in tf_keras.Model(twin.input, outputs)(x)]

    own, *maps = parts(student, "conv0", "pooled")
    other, *aims = parts(teacher, "conv0", "conv1")
    hard = -np.log(soft(own))[np.arange(len(y)), y].mean()
    p, q = soft(other / 3), soft(own / 3)
    wanted = 0.2 * hard + 0.8 * 9 * (p * np.log(p / q)).sum(-1).mean()
    for a, b in zip(maps, aims, strict=True):
        a, b = (np.square(t).sum(-1) for t in (a, b))
        if a.shape != b.shape:  # pooled is half of conv1 in each direction
            b = b.reshape(len(b), 4, 2, 4, 2).mean((2, 4))
        a, b = (t.reshape(len(t), -1) for t in (a, b))
        a, b = (t / np.linalg.norm(t, axis=-1, keepdims=True) for t in (a, b))
        wanted += 50 / 2 * np.square(a - b).mean()
    assert abs(found - wanted) < 1e-4 * wanted


@pytest.mark.parametrize(
    ("text", "teacher", "id", "what"),
    [
        ("distill:0", {}, "E209", "'0' is no temperature"),
        ("distill:alpha=1.5", {}, "E209", "'1.5' is no alpha"),
        ("early_exit:conv0:epochs=0,distill", {}, "E361", "there are several"),
        ("distill", {"classes": 4}, "E361", r"outputs are \[4\], the model's \[5\]"),
        ("distill", {"size": 16}, "E361", r"inputs are \[16, 16, 3\], the model's \[8, 8, 3\]"),
        ("distill:maps=conv", {}, "E362", "the model has no layer 'conv'"),
        ("distill:maps=conv0=cnv1", {}, "E362", "the teacher has no layer 'cnv1'"),
        ("distill:maps=flat", {}, "E361", "'flat' of the model has no places"),
    ],
)
def test_what_cannot_be_distilled_is_told(
    text: str, teacher: dict[str, int], id: str, what: str
) -> None:
    data = squares(20)
    with pytest.raises(CompileError, match=what) as error:
        work = Work(network((4,)), data, Training(epochs=0), network((4, 4), **teacher))
        list(chain.run(chain.parse(text), work))
    assert error.value.id == id and error.value.hint


def test_labels_are_needed_unless_they_weigh_nothing() -> None:
    data = replace(squares(20), y=None, y_test=None)
    work = Work(network((4,)), data, Training(epochs=0))
    chain.check(chain.parse("distill:alpha=0,finetune"), work)
    for text in ("distill", "finetune,distill:alpha=0"):
        with pytest.raises(CompileError, match="has none"):
            chain.check(chain.parse(text), work)


@pytest.mark.slow
def test_a_teacher_that_knows_less_is_told() -> None:
    class Heard(Listener):
        said = ""

        def warn(self, text: str) -> None:
            Heard.said += text

    data = squares(200)
    work = replace(trained(network((8,)), data), teacher=network((8,), seed=7))
    list(chain.run(chain.parse("distill:epochs=0"), replace(work, listener=Heard())))
    assert "the teacher is right on" in Heard.said and "--teacher" in Heard.said


@pytest.mark.slow
def test_a_student_learns_from_its_teacher_alone(tmp_path: Path) -> None:
    data = squares()
    teacher = trained(network((16, 16)), data).model
    without_labels = replace(data, y=None)
    training = replace(TRAINING, epochs=6)
    work = Work(network((8,), seed=5), without_labels, training, teacher)
    # A later training, of which nothing else tells, keeps the loss.
    text = "distill:5:alpha=0:epochs=0,finetune"
    small, taught = effect(work, text, tmp_path)
    large, _ = effect(replace(work, model=teacher), "int8", tmp_path)
    assert small.accuracy < 0.6 and taught.accuracy > 0.9 and large.accuracy > 0.9
    assert taught.cycles < 0.4 * large.cycles and taught.flash_bytes < large.flash_bytes


@pytest.mark.slow
def test_maps_are_learnt_in_mixed_precision_too() -> None:
    data = squares(300)
    teacher = trained(network((16, 16)), data).model
    for precision in ("float32", "mixed_bfloat16"):
        training = replace(TRAINING, epochs=2, precision=precision)
        work = Work(network((8, 8), seed=5), data, training, teacher)
        (made,) = chain.run(chain.parse("distill:maps=conv1+pooled"), work)
        plain = replace(work, model=network((8, 8), seed=5))
        assert made.loss(made.model, data.x, data.y, False) < 0.5 * made.loss(
            plain.model, data.x, data.y, False
        )
