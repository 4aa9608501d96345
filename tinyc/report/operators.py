"""The tables of operators, derived from what the operators' own cases run on.

The kernel of a core is the one that the planner takes most readily there: the first whose features
the core has and that at least one case of that dtype allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np

from ..frontends.onnx import rules as onnx_rules
from ..frontends.onnx.static import FOLDED as ONNX_FOLDED
from ..frontends.onnx.unsupported import LEFT_OUT as ONNX_LEFT_OUT
from ..frontends.tflite import rules as tflite_rules
from ..frontends.tflite.control import CONTROL
from ..frontends.tflite.static import FOLDED as TFLITE_FOLDED
from ..frontends.tflite.unsupported import LEFT_OUT as TFLITE_LEFT_OUT
from ..ir import Node, Op
from ..kernels.base import kernels_of
from ..kernels.narrow import is_narrow
from ..ops.base import all_ops
from ..target.boards import all_boards

_INTRODUCTION = """\
# Operators

Made by `make docs`, and by `tinyc ops --markdown`: what each operator is called in TFLite, in Larq
Compute Engine and in ONNX, and the types of its first operand for which there is C. Every operator
also has a numpy reference that is bit-exact with TFLite's reference kernels, or with Larq Compute
Engine's for signs, which are packed into i32 words. One without code is a renaming of the same
bytes; one without a name in any format is made of others: by a pass, or where weights are int8 and
activations float32 (Hybrid).

Operators of TensorFlow Lite Micro alone (Signal..., CIRCULAR_BUFFER, TFLM_DECODE) are bit-exact
with its kernels. Of TFLite_Detection_PostProcess classes, scores and counts are LiteRT's, and boxes
but for its exp; where a box gives several classes, equal scores rise by class, as in TensorFlow
Lite Micro.
"""
_FOLDED = """\
What follows has no node in the graph: it is resolved when the model is read, where its operands are
constant or its output depends on shapes alone.
"""
_KERNELS = """\
## Kernels

Every core computes every operator by kernels in portable C, but for those below, which are faster
on cores with more instructions; `tinyc ops --json` names the kernel of each operator and core.
"""
_LEFT_OUT = """\
## Left out

Operators of TFLite that are refused on purpose, and what to do instead. Any other that is not above
is refused as unknown; a [plugin](plugins.md) can bring it.
"""
_MEASURED = """\
## Measured

`tinyc ops --check FOLDER` tries every model under a folder: it is read, compiled, built for a board
and run there, emulated, on random inputs. Exact is one whose outputs are the reference's, and
LiteRT's reference kernels' where these can compute it. Of 65 public repositories, every model of
less than 4 MiB, as a file or as an array in C, and each once, gave in November 2026, with stm32 as
the board that is tried first, LiteRT 2.3.0 and two or three samples:

| models | |
| --- | --- |
| 460 | tried |
| 423 | build, 341 of them on stm32, 6 on none that tinyc has, the others on a larger one |
| 415 | are exact, 396 of them by LiteRT, too |
| 8 | build, but their run did not end within the limit |

No output of any was wrong. Those that do not build:

| models | why |
| --- | --- |
| 9 | recurrent layers of 137 to 1,000 steps, whose loops are not unrolled within the limit |
| 9 | text: tensors of strings |
| 6 | custom operators of their own |
| 4 | made for an accelerator: Ethos-U, Edge TPU, xcore.ai |
| 3 | sizes that depend on the data, or that the file leaves open |
| 2 | complex numbers: RFFT2D, COMPLEX_ABS |
| 2 | no models, whatever their names |
| 1 | float64 |
| 1 | scales of 10^-35, which no quantization of data gives |

The repositories:
5AIPAVAN/TinyML-Predictive_Maintenance, Abdol/edge-test,
Abdullahshahbaz1/EEG-based-cognitive-state-using-1D-CNN, AlbertFlorinus/mnistcnn,
allegiova/TinyML, AnchitSingh/MnistApp, Andr0id16/Fall-DetectionModel, Apaserness/embai,
Artemy2807/TFLite, Avi-python/EmbeddedSystem_HW2, balezz/Punch_DL,
Berkya97/EdgeAssistNoiseClassifier, bermejo4/AI-based-movement-prediction,
BiovlsiSystemGroup/moeisoc, bluebottlewize/grahyam, cenixeriadev/CelsiusToFahrenheitTf,
cookekieran/TinyML, cpetig/tflite_micro_compiler, danchi444/gesture_rec,
danukaravishan/tinyml_deployment, davidirfan/TinyMLClassifier-SinCos, denoming/esp32-tflite-wwd,
dimtass/stm32f746-tflite-micro-mnist, dippmatt/tinyml-framework-benchmark,
edenNasri311/TinyML-Gesture-Recognition, Efinix-Inc/tinyml, eliberis/mcu-deployment-tutorial,
erikbc17/RNN-audio-analysis, esphome/micro-wake-word-models, google-coral/test_data,
hiimshyy/HAR_device, HimaxWiseEyePlus/himax_tflm, Infineon/mtb-example-ml-profiler,
itemis/tflite-esp-rock-paper-scissors, KasunThushara/TFLM_voice_module,
kris2475/Image-Classification-using-TinyML, leahimJarun/SensoGripProjectAiModel,
matflow/Labo-5-IE-0624-tinyML-gesture-recognition, mattn/go-tflite,
metanav/Handwriting_Recognition_IMU, Microchip-MPLAB-Harmony/tflite-micro-apps,
mkuczynski11/micropython-tflite, mlcommons/tiny, NicoJuicy/tinyModels,
NikolaosKtec/Fashion_MNIST_tensorflow_esp32, nikostsalkitzis/TinyML,
nsrilalith/Test_Individual_Layers, openmv/openmv, Portiloop/portiloop-software,
renesas/tflite-micro-renesas, SaraswatSahoo/AI_Stethoscope_Model,
ShawnHymel/google-coral-micro-object-detection, SiliconLabs/tflite-micro-efr32-examples,
sipeed/TinyMaix, sueqixue/ese5190-2022-final-project-keyboard-part, tensorflow/flutter-tflite,
tensorflow/tflite-micro, tensorflow/tflite-micro-arduino-examples, tensorflow/tflite-support,
thommaskevin/TinyML, tranhuunam00/arduino-tensorflow-example, uraich/TinyML, uTensor/utensor_cgen,
xmos/lib_tflite_micro, zhenhuaw-me/tflite2onnx.
"""
_CUSTOM, _LCE = "CUSTOM ", "CUSTOM Lce"


def _cores() -> dict[str, frozenset[str]]:
    return dict(sorted({b.core.name: frozenset(b.core.features) for b in all_boards()}.items()))


def _kernel(op: type[Op], nodes: list[Node], features: frozenset[str]) -> str:
    if op.view:
        return "no code"
    for kernel in kernels_of(op):
        if kernel.requires <= features and any(kernel.reject(n) is None for n in nodes):
            return kernel.name
    return "-"


@cache
def table() -> list[dict[str, Any]]:
    """One entry for each operator and dtype, see `tinyc.report.objects.Operator`."""
    cores = _cores()
    known = {name: rule.op for name, rule in sorted(tflite_rules.load().items())}
    named = {name: rule.op for name, rule in sorted(onnx_rules.load().items())}
    found = []
    for op in all_ops():
        by_dtype: dict[str, list[Node]] = {}
        for node in op.cases(np.random.default_rng(0)):
            if type(node.op) is op and node.inputs and not is_narrow(node):
                by_dtype.setdefault(node.inputs[0].type.dtype.value, []).append(node)
        names = [name for name, of in known.items() if of is op]
        lce = [name for name in names if name.startswith(_LCE)]
        found += [
            {
                "operator": op.__name__,
                "tflite": [name.removeprefix(_CUSTOM) for name in names if name not in lce],
                "lce": [name.removeprefix(_CUSTOM) for name in lce],
                "onnx": [name for name, of in named.items() if of is op],
                "dtype": dtype,
                "kernels": {core: _kernel(op, nodes, f) for core, f in cores.items()},
            }
            for dtype, nodes in sorted(by_dtype.items())
        ]
    return found


def grid() -> tuple[list[str], list[list[str]]]:
    """The operators as a heading and a row of text for each."""
    rows = []
    for name, group in groupby(table(), lambda entry: entry["operator"]):
        entries = list(group)
        dtypes = ", ".join(entry["dtype"] for entry in entries)
        code = "" if {"no code"} != set(entries[0]["kernels"].values()) else "; no code"
        sources = [", ".join(entries[0][key]) for key in ("tflite", "lce", "onnx")]
        rows.append([name, *sources, dtypes + code])
    return ["operator", "TFLite", "LCE", "ONNX", "dtypes"], rows


def kernel_grid() -> tuple[list[str], list[list[str]]]:
    """The kernels that are not the same on every core, as a heading and rows of text: cores that
    have the same stand in one column."""
    entries = [entry for entry in table() if len(set(entry["kernels"].values())) > 1]
    columns: dict[tuple[str, ...], list[str]] = {}
    for core in _cores():
        columns.setdefault(tuple(e["kernels"][core] for e in entries), []).append(core)
    rows = zip(((e["operator"], e["dtype"]) for e in entries), *columns, strict=True)
    return (
        ["operator", "dtype", *map(", ".join, columns.values())],
        [[*of, *kernels] for of, *kernels in rows],
    )


def kernel_rows() -> tuple[list[str], list[list[str]]]:
    """The same for a narrow page: a row for each kernel of an operator and a dtype, with the
    cores that have it, which are all Cortex-M."""
    rows = []
    for entry in table():
        cores: dict[str, list[str]] = {}
        for core in _cores():
            short = core.removeprefix("cortex-").upper().replace("PLUS", "+")
            cores.setdefault(entry["kernels"][core], []).append(short)
        if len(cores) > 1:
            of = f"{entry['operator']} {entry['dtype']}"
            rows += [[of, kernel, ", ".join(each)] for kernel, each in cores.items()]
    return ["operator", "kernel", "cortex"], rows


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name.removeprefix(_CUSTOM) for name in names)


def markdown() -> str:
    """The whole of docs/operators.md."""
    folded = {
        "TFLite": {name.removeprefix(_CUSTOM) for name in CONTROL}
        | (TFLITE_FOLDED - tflite_rules.load().keys()),
        "ONNX": ONNX_FOLDED - onnx_rules.load().keys(),
    }
    resolved = [f"- {name}: {_listed(sorted(names))}." for name, names in folded.items()]
    left_out = [
        (_listed(names), reason) for names, reason in (TFLITE_LEFT_OUT | ONNX_LEFT_OUT).items()
    ]
    parts = (
        _INTRODUCTION, _lines(*grid()), _FOLDED, "\n".join(resolved) + "\n",
        _KERNELS, _lines(*kernel_grid()),
        _LEFT_OUT, _lines(("operators", "instead"), left_out), _MEASURED,
    )  # fmt: skip
    return "\n".join(parts)


def _lines(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)
