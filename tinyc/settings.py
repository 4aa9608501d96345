"""What a command may be told: each setting once, with its type, its limits and its words.

`tinyc.config` reads settings files into these classes, the command line makes its options and
variables of them. Standard library only: ``tinyc --help`` shows them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal

MOST_SAMPLES = 1_000_000
MIN_AGREEMENT = 0.98


@dataclass(frozen=True)
class Setting:
    """What is said of a field besides its type.

    help: of its option; short: the option's letter; env: its variable after ``TINYC_``, by
    default the field's name; metavar: of an argument, which has no flag; least, most, below:
    limits of a number; pattern: what a text has to match.
    """

    help: str
    short: str | None = None
    env: str | None = None
    metavar: str | None = None
    least: float | None = None
    most: float | None = None
    below: float | None = None
    pattern: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        """What pydantic checks of a value: its limits too, and its very type, so that "3" is no
        number."""
        schema = handler(source)
        value = schema["schema"] if schema["type"] == "nullable" else schema
        if value["type"] != "literal":
            value["strict"] = True
        limits = {"ge": self.least, "le": self.most, "lt": self.below, "pattern": self.pattern}
        value.update({key: limit for key, limit in limits.items() if limit is not None})
        return schema


_Most = int | None


@dataclass(frozen=True)
class Expect:
    """Thresholds of a verdict; None is not checked, but for min_agreement, see `least_agreement`.
    Sizes in bytes, accuracy and agreement (with the network before binarization and calibration) in
    0..1."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    min_accuracy: Annotated[
        float | None, Setting("Least accuracy on the board, 0 to 1.", least=0, most=1)
    ] = None
    min_agreement: Annotated[
        float | None,
        Setting(
            "Least agreement with the model before calibration or binarization [0.98].",
            least=0,
            most=1,
        ),
    ] = None
    max_cycles: Annotated[_Most, Setting("Most modelled cycles of an inference.", least=0)] = None
    max_instructions: Annotated[_Most, Setting("Most instructions of an inference.", least=0)] = (
        None
    )
    max_flash: Annotated[_Most, Setting("Most bytes of flash.", least=0)] = None
    max_ram: Annotated[_Most, Setting("Most bytes of RAM.", least=0)] = None

    def least_agreement(self, changes: Collection[str]) -> float | None:
        """changes: what made another network, as ``quantization``. Where that was not tinyc, the
        original is told of, and judged if a limit was given."""
        if self.min_agreement is None and set(changes) - {"quantization"}:
            return MIN_AGREEMENT
        return self.min_agreement


@dataclass(frozen=True)
class Place:
    """Where data lies, by the names of the board's memories; see `tinyc.image.placement.place`."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    arena: str | None = None
    weights: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """Everything that a command may be told; paths are absolute or relative to the caller.

    boards, recipes: folders of the project's own; plugins: Python files that bring kernels,
    operators and the like, and that run, see `tinyc.plugins`.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    model: Annotated[
        str | None,
        Setting(
            "A .tflite, .onnx, .pt2 or Keras file, or file.py:function; else tinyc.toml's.",
            metavar="[MODEL]",
        ),
    ] = None
    board: Annotated[
        str | None,
        Setting("Name or alias (see `tinyc boards`), or a .toml of your own.", short="-b"),
    ] = None
    data: Annotated[
        str | None,
        Setting("An .npz with x and optionally y; else random inputs.", env="TEST_DATA"),
    ] = None
    calibrate: Annotated[
        str | None, Setting("An .npz with typical inputs x: float layers become int8.")
    ] = None
    original: Annotated[
        str | None,
        Setting("The float model that an int8 one was made of, to be tested beside it."),
    ] = None
    compress: Annotated[
        str | None, Setting("What makes another network of it, as channels:0.25; or several.")
    ] = None
    float_glue: Annotated[bool, Setting("Keep float32 between binary layers.")] = False
    trust: Annotated[bool, Setting("Run the code that came with a Keras or .pt2 file.")] = False
    output_dir: Annotated[str, Setting("Where builds go [build].", short="-o")] = "build"
    toolchain: Annotated[
        Literal["gcc", "clang"] | None,
        Setting("gcc or clang; else gcc where it is installed."),
    ] = None
    emulator: Annotated[
        str, Setting("unicorn, qemu, renode, host, or one that a plugin brings [unicorn].")
    ] = "unicorn"
    main: Annotated[
        Literal["demo", "serial"],
        Setting("demo: one inference and its cycles; serial: MLPerf Tiny's protocol [demo]."),
    ] = "demo"
    model_id: Annotated[
        str | None,
        Setting(
            "What the protocol calls the model, as kws01 [its name].", pattern=r"^[\w.-]{1,40}$"
        ),
    ] = None
    samples: Annotated[
        int | None,
        Setting(
            "How many inputs: random ones [10], or the first of the data [all].",
            least=1,
            most=MOST_SAMPLES,
        ),
    ] = None
    seed: Annotated[int, Setting("Seed of random inputs [0].", least=0, below=1 << 64)] = 0
    strict: Annotated[
        bool,
        Setting("A slower kernel or form than the core allows is an error, and so is odd data."),
    ] = False
    optimize: Annotated[
        Literal["balanced", "speed", "ram", "flash"],
        Setting("What a build is to save: balanced, speed, ram or flash [balanced]."),
    ] = "balanced"
    stream: Annotated[
        int | None,
        Setting("The axis of the inputs that is the time: each run takes what is new.", least=0),
    ] = None
    feed: Annotated[
        Literal["whole", "rows"],
        Setting("How the input comes: whole, or by rows as from a camera [whole]."),
    ] = "whole"
    early_exit: Annotated[
        float | None,
        Setting(
            "From which probability, 0 to 1, the first of two heads is the answer.", least=0, most=1
        ),
    ] = None
    backend: Annotated[
        Literal["templates", "tvm", "auto"],
        Setting("templates, tvm, or auto: the faster for each layer."),
    ] = "templates"
    database: Annotated[str, Setting("What `tinyc tune` has measured [schedules.jsonl].")] = (
        "schedules.jsonl"
    )
    lock: Annotated[
        str, Setting("What `tinyc tune` chose for each layer, or none [tinyc.lock].")
    ] = "tinyc.lock"
    boards: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    placement: Place = Place()
    expect: Expect = Expect()
