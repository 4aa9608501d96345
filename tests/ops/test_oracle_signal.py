"""TensorFlow Lite Micro's audio front end and what it streams with, against its own interpreter,
bit for bit.

`RECORDED` holds check sums of what the oracle gave (`tflite_writer.tflm`, tflite-micro
0.dev20261023182759); where it is installed, its numbers are compared one by one, and the check sums
with it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flatbuffers.flexbuffers import Dumps
from tflite_writer import TensorSpec, tflm, write_model

import tinyc
from tinyc.errors import CompileError
from tinyc.frontends.tflite import read
from tinyc.frontends.tflite.rule import TfliteOp
from tinyc.frontends.tflite.rules.signal_frames import delay
from tinyc.frontends.tflite.source import SourceOp
from tinyc.frontends.tflite.variables import Variables
from tinyc.ir import DType, TensorType, Value, interpret, kept

INT16, INT32, FLOAT32 = 7, 2, 0
RUNS, RESET = 24, 20


@dataclass(frozen=True)
class Case:
    """One operator. operands: the arrays of constants, the others as specs; valid: whether the
    second output says if the first one counts; used: the part of it that TensorFlow Lite Micro
    writes."""

    name: str
    operator: str
    options: dict[str, Any]
    operands: Sequence[TensorSpec | np.ndarray]
    outputs: Sequence[TensorSpec]
    valid: bool = False
    used: slice = field(default_factory=lambda: slice(None))

    def write(self, path: Path) -> Path:
        tensors = [
            TensorSpec(f"w{i}", x.shape, x.dtype.name, data=x) if isinstance(x, np.ndarray) else x
            for i, x in enumerate(self.operands)
        ]
        results = [len(tensors) + i for i in range(len(self.outputs))]
        variable = [i for i, t in enumerate(tensors) if t.data is None]
        step = (f"CUSTOM {self.operator}", self.options, list(range(len(tensors))), results)
        return write_model(path, [step], [*tensors, *self.outputs], variable, results)


# RandomState, whose numbers stay the same from version to version.
def numbers(rng: np.random.RandomState, spec: TensorSpec) -> np.ndarray:
    """Numbers of all lengths and the ends of their type."""
    kind = np.dtype(spec.dtype)
    if kind == np.float32:
        return rng.standard_normal(spec.shape).astype(kind)
    if spec.name == "bits":
        return rng.randint(0, 32, spec.shape).astype(kind)
    ends = np.iinfo(kind)
    raw = rng.randint(0, 256, (*spec.shape, kind.itemsize)).astype(np.uint8)
    data = raw.view(kind).reshape(spec.shape)
    shifted = data >> rng.randint(0, 8 * kind.itemsize, spec.shape).astype(kind)
    edge = np.array([ends.min, ends.max], kind)[rng.randint(0, 2, spec.shape)]
    choice = rng.randint(0, 10, spec.shape)
    return np.where(choice == 0, edge, np.where(choice < 5, shifted, data)).astype(kind)


def spec(name: str, dtype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name, shape, dtype)


def cases() -> Iterator[Case]:
    rng = np.random.RandomState(1)

    def table(count: int, low: int, high: int) -> np.ndarray:
        return rng.randint(low, high, count).astype(np.int16)

    for shift in (0, 12, 31):
        yield Case(
            f"window {shift}", "SignalWindow", {"shift": shift},
            [spec("x", "int16", 2, 16), table(16, -32768, 32768)], [spec("y", "int16", 2, 16)],
        )  # fmt: skip
    for count in (1, 6):
        yield Case(
            f"scale {count}", "SignalFftAutoScale", {}, [spec("x", "int16", count)],
            [spec("y", "int16", count), spec("bits", "int32")],
        )  # fmt: skip
    for points in (4, 6, 8, 10, 36, 120, 150, 512):
        for dtype, code in (("int16", INT16), ("int32", INT32), ("float32", FLOAT32)):
            options = {"T": code, "fft_length": points}
            sizes = (1, points - (5 if points == 512 else 0)), (1, points + 2)
            x, y = (spec("x", dtype, *size) for size in sizes)
            yield Case(f"rfft {points} {dtype}", "SignalRfft", options, [x], [y])
            if points != 512:
                yield Case(f"irfft {points} {dtype}", "SignalIrfft", options, [y], [x])
    yield Case(
        "energy", "SignalEnergy", {"start_index": 2, "end_index": 7},
        [spec("x", "int16", 18)], [spec("y", "uint32", 9)], used=slice(2, 7),
    )  # fmt: skip
    for low in (0, -4096):
        widths, begins = np.int16([4, 3, 9, 5]), np.int16([1, 5, 8, 17])
        places = np.int16([0, 4, 7, 16])
        yield Case(
            f"bank {low}", "SignalFilterBank", {"num_channels": 3},
            [spec("x", "uint32", 23), table(21, low, 4097), table(21, low, 4097), begins, places,
             widths],
            [spec("y", "uint64", 3)],
        )  # fmt: skip
    yield Case(
        "root", "SignalFilterBankSquareRoot", {},
        [spec("x", "uint64", 60), spec("bits", "int32")], [spec("y", "uint32", 60)],
    )  # fmt: skip
    usual = {
        "smoothing": 409, "one_minus_smoothing": 15975, "alternate_smoothing": 983,
        "alternate_one_minus_smoothing": 15401, "min_signal_remaining": 819, "num_channels": 40,
        "smoothing_bits": 10, "spectral_subtraction_bits": 14, "clamping": False,
    }  # fmt: skip
    for name, changed in (
        ("usual", {}),
        ("clamping", {"clamping": True}),
        ("unsigned", {"smoothing": -1, "spectral_subtraction_bits": 0, "smoothing_bits": 0}),
        ("far", {"spectral_subtraction_bits": 40, "smoothing_bits": 31, "clamping": True}),
    ):
        yield Case(
            f"subtraction {name}", "SignalFilterBankSpectralSubtraction", {**usual, **changed},
            [spec("x", "uint32", 40)], [spec("y", "uint32", 40), spec("noise", "uint32", 40)],
        )  # fmt: skip
    for most, shift in ((32767, 6), (32767, 40), (900, 0)):
        yield Case(
            f"pcan {most} {shift}", "SignalPCAN", {"snr_shift": shift},
            [spec("x", "uint32", 60), spec("noise", "uint32", 60), table(125, -most, most + 1)],
            [spec("y", "uint32", 60)],
        )  # fmt: skip
    for scale, bits in ((64, 3), (70000, 31), (65536, 1), (-5, 2)):
        yield Case(
            f"log {scale} {bits}", "SignalFilterBankLog",
            {"output_scale": scale, "input_correction_bits": bits},
            [spec("x", "uint32", 60)], [spec("y", "int16", 60)],
        )  # fmt: skip
    for size, step, prefill, shape in (
        (5, 2, True, (1, 2)), (5, 2, False, (2, 6)), (4, 4, True, (8,)), (3, 5, False, (10,)),
        (9, 1, False, (3, 2)),
    ):  # fmt: skip
        frames = (*shape[:-1], shape[-1] // step, size)
        yield Case(
            f"framer {size} {step} {prefill}", "SignalFramer",
            {"frame_size": size, "frame_step": step, "prefill": prefill},
            [spec("x", "int16", *shape)], [spec("y", "int16", *frames), spec("valid", "bool")],
            valid=True,
        )  # fmt: skip
    for left, right, step, count in ((1, 1, 2, 4), (0, 0, 1, 3), (2, 0, 1, 1), (0, 3, 4, 5)):
        yield Case(
            f"stacker {left} {right} {step}", "SignalStacker",
            {"num_channels": count, "stacker_left_context": left, "stacker_right_context": right,
             "stacker_step": step},
            [spec("x", "int16", count)],
            [spec("y", "int16", count * (left + right + 1)), spec("valid", "bool")], valid=True,
        )  # fmt: skip
    for length, shape in ((3, (5,)), (7, (2, 3)), (0, (2, 1, 6))):
        x, y = (spec(name, "int16", *shape) for name in "xy")
        yield Case(f"delay {length}", "SignalDelay", {"delay_length": length}, [x], [y])
    for dtype, code in (("int16", INT16), ("float32", FLOAT32)):
        for step, shape in ((2, (3, 5)), (4, (2, 1, 4)), (1, (1, 2, 3, 6))):
            added = (*shape[:-2], shape[-2] * step)
            yield Case(
                f"overlap {dtype} {step}", "SignalOverlapAdd", {"T": code, "frame_step": step},
                [spec("x", dtype, *shape)], [spec("y", dtype, *added)],
            )  # fmt: skip
    for slots, shape in ((5, (1, 1, 2, 3)), (3, (1, 1, 1, 4)), (1, (1, 1, 1, 2))):
        options = {} if slots == 5 else {"cycles_max": 1}
        x = replace(spec("x", "int8", *shape), scale=0.5, zero_point=-7)
        y = replace(x, name="y", shape=(shape[0], slots, *shape[2:]), variable=True)
        yield Case(f"buffer {slots}", "CIRCULAR_BUFFER", options, [x], [y])


CASES = list(cases())
RECORDED: dict[str, int] = {
    "window 0": 0x94d092cb, "window 12": 0x97ee870f, "window 31": 0x65549899, "scale 1": 0x61af3c68,
    "scale 6": 0x027e4f03, "rfft 4 int16": 0x76a2bd9b, "irfft 4 int16": 0x2ded8722,
    "rfft 4 int32": 0x794461d9, "irfft 4 int32": 0x1a594339, "rfft 4 float32": 0xcf36a0bc,
    "irfft 4 float32": 0xe78c15c6, "rfft 6 int16": 0xe4306d0a, "irfft 6 int16": 0xb99f2227,
    "rfft 6 int32": 0xf7c57b2a, "irfft 6 int32": 0x782eb38a, "rfft 6 float32": 0x25eccb3f,
    "irfft 6 float32": 0xb5275988, "rfft 8 int16": 0x56f24703, "irfft 8 int16": 0x7c45efa0,
    "rfft 8 int32": 0xc2a46450, "irfft 8 int32": 0x23a376d5, "rfft 8 float32": 0x0930d82f,
    "irfft 8 float32": 0x6f84b2d9, "rfft 10 int16": 0xebafabf9, "irfft 10 int16": 0xdd147714,
    "rfft 10 int32": 0xae5eeee4, "irfft 10 int32": 0xdb01131b, "rfft 10 float32": 0x3f2bf25e,
    "irfft 10 float32": 0x8dfe5a2e, "rfft 36 int16": 0xd0a18826, "irfft 36 int16": 0xb35ea902,
    "rfft 36 int32": 0xba87a559, "irfft 36 int32": 0x527d511c, "rfft 36 float32": 0x835df957,
    "irfft 36 float32": 0xa057362d, "rfft 120 int16": 0x3858b4aa, "irfft 120 int16": 0x38199acf,
    "rfft 120 int32": 0x0b9e22ac, "irfft 120 int32": 0x54080dc3, "rfft 120 float32": 0x36e6991a,
    "irfft 120 float32": 0x96add1a1, "rfft 150 int16": 0xb3020d49, "irfft 150 int16": 0x0bb2dcf0,
    "rfft 150 int32": 0x420133fd, "irfft 150 int32": 0x9464b24a, "rfft 150 float32": 0x9d2248a4,
    "irfft 150 float32": 0x7149ad9a, "rfft 512 int16": 0x91258c6b, "rfft 512 int32": 0x6bdaf3e9,
    "rfft 512 float32": 0x6f8e60e0, "energy": 0x53349024, "bank 0": 0x312bc982,
    "bank -4096": 0x62d7e133, "root": 0xda57f2aa, "subtraction usual": 0x7cfad242,
    "subtraction clamping": 0xf27c4970, "subtraction unsigned": 0x76a1951a,
    "subtraction far": 0xb38f6c42, "pcan 32767 6": 0x1c2da0b2, "pcan 32767 40": 0x9fa2cbc8,
    "pcan 900 0": 0x47b5437b, "log 64 3": 0xc3dd1b73, "log 70000 31": 0x39ab0b89,
    "log 65536 1": 0x2ba70156, "log -5 2": 0x6223e61e, "framer 5 2 True": 0x62e8646d,
    "framer 5 2 False": 0x0d54e10b, "framer 4 4 True": 0xe452df53, "framer 3 5 False": 0xa02bade8,
    "framer 9 1 False": 0xfd65aa22, "stacker 1 1 2": 0x668d09c0, "stacker 0 0 1": 0x28593e50,
    "stacker 2 0 1": 0x85ea2570, "stacker 0 3 4": 0x130105b6, "delay 3": 0xc7e3ae82,
    "delay 7": 0x2c1f4008, "delay 0": 0x1d6d7e03, "overlap int16 2": 0x2b978e0c,
    "overlap int16 4": 0x3f560de9, "overlap int16 1": 0xe27896d5, "overlap float32 2": 0x94139954,
    "overlap float32 4": 0x3eea3785, "overlap float32 1": 0x81557f7d, "buffer 5": 0xb08f1acf,
    "buffer 3": 0xc8d43fb6, "buffer 1": 0x1bc56a49,
}  # fmt: skip


def oracle(path: Path, runs: Sequence[Sequence[np.ndarray]], outputs: int) -> list[list[Any]]:
    interpreter = tflm().from_file(str(path), arena_size=1 << 20)
    found = []
    for i, arrays in enumerate(runs):
        if i == RESET:
            interpreter.reset()
        for place, array in enumerate(arrays):
            interpreter.set_input(array, place)
        interpreter.invoke()
        found.append([np.array(interpreter.get_output(k)) for k in range(outputs)])
    return found


def ours(path: Path, runs: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    graph, states, found = read(path), None, []
    for i, arrays in enumerate(runs):
        values = interpret(graph, arrays, None if i == RESET else states)
        states = kept(graph, values)
        found.append([values[v] for v in graph.outputs])
    return found


def counted(case: Case, found: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """The outputs that mean something, one after the other."""
    kept_outputs = []
    for first, *rest in found:
        if not case.valid or bool(rest[0].reshape(-1)[0]):
            kept_outputs.append(first.reshape(case.outputs[0].shape)[..., case.used])
        kept_outputs += [y.reshape(s.shape) for y, s in zip(rest, case.outputs[1:], strict=True)]
    return kept_outputs


def check_sum(arrays: Sequence[np.ndarray]) -> int:
    # Sums of nothing differ in the sign of their zero where a compiler changes an order.
    plain = (a + 0 if a.dtype == np.float32 else a for a in arrays)
    return zlib.crc32(b"".join(np.ascontiguousarray(a).tobytes() for a in plain))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_operator_matches_tensorflow_lite_micro(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path / "m.tflite")
    rng = np.random.RandomState(zlib.crc32(case.name.encode()))
    inputs = [x for x in case.operands if isinstance(x, TensorSpec)]
    runs = [[numbers(rng, x) for x in inputs] for _ in range(RUNS)]
    found = counted(case, ours(path, runs))
    if tflm() is not None:
        expected = counted(case, oracle(path, runs, len(case.outputs)))
        for y, want in zip(found, expected, strict=True):
            np.testing.assert_array_equal(y, want.astype(y.dtype))
        assert check_sum([w.astype(y.dtype) for y, w in zip(found, expected, strict=True)]) == (
            RECORDED.get(case.name)
        )
    assert check_sum(found) == RECORDED.get(case.name)
    assert len(np.unique(np.concatenate([a.ravel() for a in found]))) > 1


def case(name: str, **changes: Any) -> Case:
    (found,) = (c for c in CASES if c.name == name)
    return replace(found, **changes)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (case("window 12", options={"shift": 32}), "shifts by 32 bits"),
        (case("window 12", options={}), "its custom options lack shift"),
        (case("window 12", options={"shift": 1.5}), "its shift is 1.5"),
        (case("rfft 8 int16", options={"T": INT16, "fft_length": 14}), "transforms 14 points"),
        (case("rfft 8 int16", options={"T": INT16, "fft_length": 2}), "transforms 2 points"),
        (case("irfft 8 int16", options={"T": INT16, "fft_length": 6}), "have 10 numbers, for 6"),
        (case("energy", options={"start_index": 2, "end_index": 10}), "takes 2 to 10 of"),
        (case("bank 0", options={"num_channels": 4}), "has 4 channels, its output is 3 u64"),
        (case("pcan 900 0", options={"snr_shift": 64}), "shifts by 64 bits"),
        (
            case("framer 5 2 True", options={"frame_size": 2, "frame_step": 3, "prefill": True}),
            "its frames of 2 follow each other after 3",
        ),
        (
            case("stacker 1 1 2", outputs=[spec("y", "int16", 12), spec("valid", "int16")]),
            "validity is i16",
        ),
        (case("buffer 3", options={"cycles_max": 2}), "ends a run early, but for every 2. one"),
        (case("delay 3", options={"delay_length": -1}), "delays by -1 samples"),
        (
            case("overlap int16 2", options={"T": INT16, "frame_step": 6}),
            "its frames of 5 follow each other after 6",
        ),
    ],
)
def test_what_is_no_operator_is_named(broken: Case, words: str, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        read(broken.write(tmp_path / "m.tflite"))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_filter_must_lie_within_its_energies(tmp_path: Path) -> None:
    good = case("bank 0")
    operands = [*good.operands[:3], np.int16([1, 5, 8, 19]), *good.operands[4:]]
    with pytest.raises(CompileError, match="a filter reaches beyond"):
        read(replace(good, operands=operands).write(tmp_path / "m.tflite"))


def front_end(path: Path) -> Path:
    """From 48 samples to six features, and three frames of them stacked."""
    rng = np.random.RandomState(3)
    widths = np.int16([2, 3, 4, 5, 6, 7, 6])
    places = np.int16(np.cumsum([0, *widths[:-1]]))
    weights = rng.randint(0, 4097, widths.sum()).astype(np.int16)
    constants = {
        "window": np.int16(4096 * np.hanning(48)), "shape": np.int32([48]),
        "weights": weights, "unweights": np.int16(4096 - weights), "begins": places,
        "places": places, "widths": widths,
        "gains": rng.randint(-32768, 32768, 125).astype(np.int16),
    }  # fmt: skip
    subtraction = case("subtraction usual").options | {"num_channels": 6}
    log = {"output_scale": 64, "input_correction_bits": 3}
    stack = {"stacker_left_context": 1, "stacker_right_context": 1, "stacker_step": 2}
    tensors = [
        *(TensorSpec(n, a.shape, a.dtype.name, data=a) for n, a in constants.items()),
        spec("x", "int16", 1, 48), spec("windowed", "int16", 1, 48), spec("samples", "int16", 48),
        spec("scaled", "int16", 48), spec("bits", "int32"), spec("spectrum", "int16", 66),
        spec("energy", "uint32", 33), spec("bank", "uint64", 6), spec("root", "uint32", 6),
        spec("rest", "uint32", 6), spec("noise", "uint32", 6), spec("gained", "uint32", 6),
        spec("features", "int16", 6), spec("stacked", "int16", 18), spec("valid", "bool"),
    ]  # fmt: skip
    at = {t.name: i for i, t in enumerate(tensors)}
    steps = [
        (name if name == "RESHAPE" else f"CUSTOM Signal{name}", options,
         [at[n] for n in ins.split()], [at[n] for n in outs.split()])
        for name, options, ins, outs in (
            ("Window", {"shift": 12}, "x window", "windowed"),
            ("RESHAPE", {}, "windowed shape", "samples"),
            ("FftAutoScale", {}, "samples", "scaled bits"),
            ("Rfft", {"T": INT16, "fft_length": 64}, "scaled", "spectrum"),
            ("Energy", {"start_index": 0, "end_index": 33}, "spectrum", "energy"),
            ("FilterBank", {"num_channels": 6}, "energy weights unweights begins places widths",
             "bank"),
            ("FilterBankSquareRoot", {}, "bank bits", "root"),
            ("FilterBankSpectralSubtraction", subtraction, "root", "rest noise"),
            ("PCAN", {"snr_shift": 6}, "rest noise gains", "gained"),
            ("FilterBankLog", log, "gained", "features"),
            ("Stacker", {"num_channels": 6, **stack}, "features", "stacked valid"),
        )
    ]  # fmt: skip
    return write_model(path, steps, tensors, [at["x"]], [at["features"], at["valid"]])


def sound() -> np.ndarray:
    """[RUNS, 1, 48]: tones that grow louder."""
    t = np.arange(RUNS * 48)
    wave = np.sin(t * 0.3) + np.sin(t * t * 1e-4)
    return np.int16(wave * np.exp2(t / t.size * 13)).reshape(RUNS, 1, 48)


FRONT_END = 0x50902DB0
"""The check sum of what TensorFlow Lite Micro makes of `sound` by `front_end`, without a reset."""


@pytest.mark.slow
@pytest.mark.parametrize("board", ["stm32", "nucleo_g0b1re"])
def test_front_end_on_boards(board: str, tmp_path: Path) -> None:
    """PCM to features and back to back, each run with what the last one left."""
    path = front_end(tmp_path / "front.tflite")
    if tflm() is not None:
        interpreter = tflm().from_file(str(path), arena_size=1 << 20)
        theirs = []
        for x in sound():
            interpreter.set_input(x, 0)
            interpreter.invoke()
            theirs.append([interpreter.get_output(k) for k in (0, 1)])
        features, valid = (np.array([y[k] for y in theirs]) for k in (0, 1))
        assert check_sum([features, valid.reshape(-1).astype(np.bool_)]) == FRONT_END
    firmware = tinyc.compile(path, board=board)
    features, valid = firmware.run(sound())
    assert check_sum([features, valid.reshape(-1).astype(np.bool_)]) == FRONT_END
    assert len(np.unique(features)) > 50 and 0 < valid.sum() < RUNS


def test_an_operator_that_runs_twice_goes_on_with_what_it_kept() -> None:
    """As one does in a loop, which is unrolled."""
    source = SourceOp(0, "CUSTOM SignalDelay", (0,), (1,), None, bytes(Dumps({"delay_length": 3})))
    kind, variables = TensorType((5,), DType.I16), Variables()
    x, *results = (Value(name, kind, "case") for name in ("x", "y0", "y1"))
    first, second = (
        delay(TfliteOp("m", source, (x,), (y,), variables=variables))[0] for y in results
    )
    (state,) = variables.states()
    assert first.inputs[1] is state.entry and second.inputs[1] is first.outputs[1]
    assert state.exit is second.outputs[1] and not state.initial.any()
