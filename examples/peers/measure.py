"""Count an inference of TensorFlow Lite Micro as tinyc counts its own.

    python measure.py --tflm ~/tflite-micro --board nucleo_l4r5zi kws.tflite ...

Each model is linked with TensorFlow Lite Micro's library, built beforehand as the README beside
this says, and with the firmware that tinyc generates for the board, and runs on the emulated core
under the same cycle model. Prints a row of a Markdown table for each.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARY = "gen/cortex_m_generic_{arch}_release_cmsis_nn_gcc/lib/libtensorflow-microlite.a"
ARCH = {"cortex-m4": "cortex-m4+fp", "cortex-m7": "cortex-m7+fp", "cortex-m0plus": "cortex-m0plus"}
"""tinyc's core -> what TensorFlow Lite Micro's makefile calls it."""
ADD = {
    # The registrations of int8 alone, which are the smallest.
    "AVERAGE_POOL_2D": "AddAveragePool2D(tflite::Register_AVERAGE_POOL_2D_INT8())",
    "CONV_2D": "AddConv2D(tflite::Register_CONV_2D_INT8())",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D(tflite::Register_DEPTHWISE_CONV_2D_INT8())",
    "FULLY_CONNECTED": "AddFullyConnected(tflite::Register_FULLY_CONNECTED_INT8())",
    "SOFTMAX": "AddSoftmax(tflite::Register_SOFTMAX_INT8())",
    "ADD": "AddAdd(tflite::Register_ADD_INT8())",
    "RESHAPE": "AddReshape()",
}
ARENA = 128_000
DOWNLOADS = "tensorflow/lite/micro/tools/make/downloads"


def operators(model: Path) -> list[str]:
    """Names of a model's operators."""
    from ai_edge_litert.interpreter import Interpreter

    found = Interpreter(str(model))._get_ops_details()
    return sorted({op["op_name"] for op in found} - {"DELEGATE"})


def header(model: Path) -> str:
    """model.h: the file as an array, and what its operators need."""
    names = operators(model)
    adds = " ".join(f"(r)->{ADD[name]};" for name in names)
    data = ",".join(map(str, model.read_bytes()))
    return (
        '#include "tensorflow/lite/micro/kernels/micro_ops.h"\n'
        '#include "tensorflow/lite/micro/kernels/conv.h"\n'
        '#include "tensorflow/lite/micro/kernels/depthwise_conv.h"\n'
        '#include "tensorflow/lite/micro/kernels/fully_connected.h"\n'
        '#include "tensorflow/lite/micro/kernels/pooling.h"\n'
        '#include "tensorflow/lite/micro/kernels/softmax.h"\n'
        '#include "tensorflow/lite/micro/kernels/add.h"\n'
        f"#define PEER_ARENA_BYTES {ARENA}\n#define PEER_OPERATORS {len(names)}\n"
        f"#define PEER_ADD(r) {adds}\n"
        f"alignas(16) static const unsigned char peer_model[] = {{{data}}};\n"
    )


def link(model: Path, board: str, tflm: Path, folder: Path) -> Path:
    """The ELF of a model with TensorFlow Lite Micro on a board."""
    import tinyc

    firmware = tinyc.compile(model, board, main="serial")
    place = firmware.write(folder / "firmware")
    (folder / "model.h").write_text(header(model))
    core = firmware.board.core
    fpu = [f"-mfpu={core.fpu}"] if core.fpu else []
    target = ["-mthumb", f"-mcpu={core.cpu}", *fpu, f"-mfloat-abi={core.float_abi}"]
    common = [*target, "-O2", "-ffunction-sections", "-fdata-sections"]
    headers = [tflm, *(tflm / DOWNLOADS / name for name in (
        "flatbuffers/include", "gemmlowp", "ruy"
    ))]  # fmt: skip
    cc = [
        "arm-none-eabi-g++", *common, "-std=c++17", "-fno-exceptions", "-fno-rtti",
        "-fno-threadsafe-statics", "-DTF_LITE_STATIC_MEMORY", "-DTF_LITE_STRIP_ERROR_STRINGS",
        "-DCMSIS_NN", f"-I{folder}", f"-I{place / 'port'}", *(f"-I{path}" for path in headers),
    ]  # fmt: skip
    subprocess.run([*cc, "-c", HERE / "tflm.cc", "-o", folder / "tflm.o"], check=True)
    # The C library's memcpy is the quicker one; tinyc's own stands in where there is none.
    files = [
        f for f in (place / "port").glob("*.c") if f.name not in ("main.c", "memory.c", "tanhf.c")
    ]
    for file in files:
        c = [
            "arm-none-eabi-gcc",
            *common,
            "-std=c99",
            f"-I{place / 'port'}",
            f"-I{place / 'include'}",
        ]
        subprocess.run([*c, "-c", file, "-o", folder / f"{file.stem}.o"], check=True)
    objects = [folder / "tflm.o", *(folder / f"{file.stem}.o" for file in files)]
    script = (place / "port/linker.ld").read_text()
    elf = folder / f"{model.stem}.elf"
    (folder / "linker.ld").write_text(script)
    library = tflm / LIBRARY.format(arch=ARCH[core.name])
    subprocess.run(
        ["arm-none-eabi-g++", *target, "-nostartfiles", "-specs=nosys.specs", "-Wl,--gc-sections",
         "-Wl,--no-warn-rwx-segments", "-T", folder / "linker.ld", *objects, library, "-o", elf],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return elf


def sizes(elf: Path) -> tuple[int, int]:
    """(bytes of flash, bytes of RAM without the stack) of an ELF, the tensor arena left out."""
    from elftools.elf.elffile import ELFFile

    flash = ram = 0
    with elf.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if not section["sh_flags"] & 2:
                continue
            loaded = section["sh_type"] != "SHT_NOBITS" and section.name != ".bss"
            flash += section["sh_size"] if loaded else 0
            ram += section["sh_size"] if section.name in (".data", ".bss") else 0
    return flash, ram - ARENA


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tflm", type=Path, required=True, help="A checkout, with its library built."
    )
    parser.add_argument("--board", default="nucleo_l4r5zi")
    parser.add_argument("models", type=Path, nargs="+")
    given = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

    from tinyc.run.foreign import inference
    from tinyc.target.boards import load_board

    board = load_board(given.board)
    print("| model | instructions | cycles | flash | arena | other RAM |")
    print("| --- | --- | --- | --- | --- | --- |")
    for model in given.models:
        with tempfile.TemporaryDirectory() as folder:
            elf = link(model, given.board, given.tflm.resolve(), Path(folder))
            found = inference(elf, board)
            flash, ram = sizes(elf)
            arena = int(re.search(r"m-arena-\[(\d+)\]", found.said)[1])
        price = found.price
        numbers = (price.instructions, round(price.cycles), flash, arena, ram)
        print("| " + " | ".join([model.stem, *(f"{n:,}" for n in numbers)]) + " |")


if __name__ == "__main__":
    main()
