"""The objects that tinyc prints with ``--json`` and keeps in ``report.json``, described once.

A key that is not required stands there only where it says something.
"""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Versioned(TypedDict):
    schema_version: Literal[1]


class OverMemory(TypedDict):
    """A memory that is too small."""

    name: str
    kind: Literal["flash", "ram"]
    size_bytes: int
    over_bytes: int
    """At least, where the weights or the activations alone are more than it holds."""


class HeavyLayer(TypedDict):
    """The layer with most weights (``flash``), or in which most is alive at once (``ram``)."""

    index: NotRequired[int]
    """In the plan; of a model that is too heavy to be planned there is none."""
    name: str
    op: str
    kind: Literal["flash", "ram"]
    bytes: int


class SmallerWay(TypedDict):
    """Settings by which the same network takes less memory."""

    options: str
    """As ``tinyc build`` takes them."""
    flash_saved_bytes: int
    """Negative where it takes more, as below."""
    ram_saved_bytes: int
    fits: bool | None
    """Null where only a build can tell."""
    source: str


class Error(TypedDict):
    """One problem, as the line on stderr tells it. With E401 of one model on one board also what
    is too small there, and what would do."""

    id: str
    """``E`` and three digits, see docs/errors.md."""
    place: str
    what: str
    hint: str
    """Empty where there is none."""
    exit_code: int
    memories: NotRequired[list[OverMemory]]
    layers: NotRequired[list[HeavyLayer]]
    boards: NotRequired[list[str]]
    """With room for it, the smallest first."""
    ways: NotRequired[list[SmallerWay]]


class Verdict(TypedDict):
    """One check of a build, a test or a profile."""

    name: str
    passed: bool
    detail: str
    error: Error | None


class Port(TypedDict):
    """An input or an output of the network."""

    name: str
    """What the model calls it."""
    identifier: str
    """The same in C."""
    shape: list[int]
    dtype: str
    """As numpy calls it."""
    order: NotRequired[list[int]]
    """Where it is not the model's own: which axis of that stands where."""
    scale: NotRequired[float]
    """Of a quantized one: real = scale * (number - zero_point)."""
    zero_point: NotRequired[int]


class BuiltPort(Port):
    value: str
    """Its number in the graph, as ``reads`` and ``writes`` of layers have it."""


class Errors(TypedDict):
    """How far real numbers are from others, see docs/metrics.md; null where that is not finite."""

    mean_absolute_error: float | None
    largest_error: float | None
    relative_l2_error: float | None
    root_mean_square_error: float | None
    cosine_similarity: float | None


TestedClass = TypedDict(  # "class" can be no field's name
    "TestedClass",
    {
        "class": int,
        "name": NotRequired[str],
        "samples": int,
        "decided": int,
        "recall": float | None,
        "precision": float | None,
    },
)

Score = TypedDict("Score", {"class": int, "score": float})


class Confused(TypedDict):
    """Samples that are put into another class than theirs."""

    label: int
    decided: int
    samples: int


class TestedPort(Port):
    """An output and what a test found of it. What has no other name is the emulated board's,
    ``reference_`` the numpy reference's, ``original_`` that of the network as it was given, where
    that is another; see docs/metrics.md."""

    kind: Literal["scores", "decision", "index", "numbers"]
    """What it stands for: a score for each class, one number with a threshold, the number of the
    class, or numbers."""
    compared: str
    """How near it has to come to the reference's."""
    mismatches: int
    """Samples that did not."""
    largest_deviation: float | None
    """From the reference; null where it is not finite."""
    constant: NotRequired[str]
    """In words, where it does not depend on the input, as far as the samples tell."""
    accuracy: NotRequired[float]
    """Where the data has labels for it."""
    reference_accuracy: NotRequired[float]
    original_accuracy: NotRequired[float]
    top_5_accuracy: NotRequired[float]
    """Of more than five classes: the part of the samples whose label is among the five greatest
    scores."""
    reference_top_5_accuracy: NotRequired[float]
    original_top_5_accuracy: NotRequired[float]
    auc: NotRequired[float]
    """Of a decision, or of the anomaly scores of an output that reproduces an input."""
    reference_auc: NotRequired[float]
    original_auc: NotRequired[float]
    normal: NotRequired[int]
    """Samples that are no anomalies, where the data tells."""
    anomalous: NotRequired[int]
    classes: NotRequired[list[TestedClass]]
    """Where the data has labels: all, or of more than 100 those of the least recall."""
    confusion: NotRequired[list[list[int]]]
    """Samples of the class of the row that are put into that of the column; of 50 classes at
    most."""
    confused: NotRequired[list[Confused]]
    """What is taken for what most often, at most 20."""
    agreement: NotRequired[float]
    """The part of the samples in the class that the network as it was given puts them in."""
    mean_absolute_error: NotRequired[float | None]
    """From the network as it was given; so are the four below."""
    largest_error: NotRequired[float | None]
    relative_l2_error: NotRequired[float | None]
    root_mean_square_error: NotRequired[float | None]
    cosine_similarity: NotRequired[float | None]
    reference_errors: NotRequired[Errors]
    """From the reference, where a tolerance holds."""
    target_errors: NotRequired[Errors]
    """From the numbers that the data says the output should have."""
    reference_target_errors: NotRequired[Errors]
    original_target_errors: NotRequired[Errors]


class WorstInput(TypedDict):
    """An input of a sample in real numbers, of three digits."""

    name: str
    shape: list[int]
    """Of the values, without a batch of 1: [height, width, 1 or 3] of an image."""
    whole_shape: NotRequired[list[int]]
    """Where not all numbers are given: evenly spread ones, of an image at most 32 times 32 pixels,
    else at most 1,024."""
    values: list[float]


class WorstSample(TypedDict):
    """A sample that is wrong, or nearest to it."""

    index: int
    label: NotRequired[int]
    """1 of an anomaly, 0 of none."""
    decided: NotRequired[int]
    """The class on the board."""
    original: NotRequired[int]
    """That of the network as it was given, where that is another."""
    margin: NotRequired[float]
    """How far the score of the label, or without labels of the class decided, is above the next
    one, or a number or an anomaly score on its side of the threshold; negative where it is
    wrong."""
    error: NotRequired[float]
    """The root of the mean square error of its numbers, from the data's or the original's."""
    anomaly_score: NotRequired[float]
    """The mean square of what the output misses of the input."""
    scores: NotRequired[list[Score]]
    """The five greatest, and the label's; of a decision its one number, as class 1."""
    inputs: list[WorstInput]


class Worst(TypedDict):
    """At most eight samples that an output is most wrong about, the worst first."""

    output: str
    by: Literal["margin", "error", "class"]
    """What orders them; ``class``: all are wrong alike."""
    samples: list[WorstSample]


class Part(TypedDict):
    name: str
    """``code``, ``constants``, ``initial values``, ``arena``, ``variables`` or ``stack``."""
    bytes: int


class Memory(TypedDict):
    name: str
    kind: Literal["flash", "ram"]
    used_bytes: int
    size_bytes: int
    parts: list[Part]
    """What is used, by what it is."""


class Buffer(TypedDict):
    """A piece of the arena, in use from the layer ``first`` through ``last``: -1 stands for what is
    there before a run, the number of layers for what is read after it."""

    offset: int
    bytes: int
    first: int
    last: int
    holds: str
    """Numbers of values, or what working memory it is."""
    values: list[str]
    """What the model calls them."""


class ByRows(TypedDict):
    """Layers that take turns by rows."""

    first: int
    last: int


class Arena(TypedDict):
    """The working memory of a run."""

    peak_layer: int | None
    """In which most of it is alive; null without layers."""
    peak_bytes: int
    buffers: list[Buffer]
    by_rows: list[ByRows]


class Call(TypedDict):
    """What a function takes off the stack, or an interrupt."""

    function: str
    bytes: int


class Written(TypedDict):
    """A value that a layer makes."""

    value: str
    """Its number in the graph."""
    name: str
    """What the model calls it."""
    shape: list[int]
    dtype: str


class Weights(TypedDict):
    """The largest constant that a layer reads."""

    shape: list[int]
    dtype: str
    """As numpy calls it, or ``signs``."""
    bits: int
    """1 of signs, of integers the fewest of 2, 4 and 8 in which all fit, else those of the type."""
    zeros: float
    """The part of them that is 0."""
    levels: int | None
    """Most different ones of a channel; null of floats."""


class Layer(TypedDict):
    """A call of the generated code."""

    index: int
    name: str
    op: str
    shape: NotRequired[list[int]]
    """Of its first output; reports of earlier versions lack it."""
    kernel: str
    macs: int
    bits: NotRequired[int]
    """Of an operand; like ``binary_macs`` in networks with binary layers alone."""
    binary_macs: NotRequired[int]


class Rejected(TypedDict):
    kernel: str
    """A faster kernel, or a form that a pass could not bring the node into."""
    reason: str


class BuiltLayer(Layer):
    constant_bytes: int
    reads: list[str]
    """Numbers of values in the graph."""
    writes: list[Written]
    weights: NotRequired[Weights]
    rejected: list[Rejected]
    backend: NotRequired[Literal["templates", "tvm"]]
    """With ``schedule`` where TVM was asked."""
    schedule: NotRequired[str]
    templates_cycles: NotRequired[int]
    """Where the backend was chosen by cycles."""
    tvm_cycles: NotRequired[int]


class ProfiledLayer(Layer):
    instructions: int | None
    cycles: int | None
    board_cycles: NotRequired[int | None]
    straddled: NotRequired[int | None]
    cycles_per_binary_mac: NotRequired[float | None]


class Frames(TypedDict):
    """What a run of a stream takes: ``steps`` along ``axis`` of the model's inputs, of which it
    gives what the model does of the last ``window``."""

    axis: int
    steps: int
    window: int
    whole: str | None
    """The first layer that is computed of all that is left of the window."""


class Feed(TypedDict):
    """An input of so many rows, each of so many bytes, that come one at a time."""

    rows: int
    row_bytes: int


class EarlyExit(TypedDict):
    """Of a network that is left at its side head where that is sure."""

    head: str
    """What the model calls the side head."""
    threshold: float
    """From which probability on its greatest score is sure."""


class TestedExit(EarlyExit):
    """Which samples left early, and what an inference takes on them."""

    left_early: int
    share: float
    """Of the samples."""
    accuracy_early: NotRequired[float]
    """Of those that left early, where the data has labels for any."""
    accuracy_final: NotRequired[float]
    """Of the others."""
    counted: int
    """Inferences that were counted by themselves, the first of each way: those that left early and
    those that did not. The averages are over all samples, each taken as the counted ones of its
    way; the worst case is that of an inference that goes on, null where no input that does is
    known."""
    average_instructions: NotRequired[int | None]
    worst_case_instructions: NotRequired[int | None]
    average_cycles: NotRequired[int | None]
    worst_case_cycles: NotRequired[int | None]
    average_board_cycles: NotRequired[int | None]
    worst_case_board_cycles: NotRequired[int | None]


class ProfiledExit(EarlyExit):
    left_early: NotRequired[bool]
    """Whether this inference did; if not, it is the worst case."""


class Build(Versioned):
    """``tinyc build --json``, and ``build`` in report.json. Sizes are of the linked ELF."""

    model: str
    board: str
    board_title: str
    core: str
    core_title: str
    toolchain: str
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    fits: bool
    inputs: list[BuiltPort]
    outputs: list[BuiltPort]
    frames: NotRequired[Frames]
    """Of a stream."""
    feed: NotRequired[Feed]
    """Of a network that is fed by rows."""
    early_exit: NotRequired[EarlyExit]
    memories: list[Memory]
    arena: Arena
    calls: list[Call]
    """Those that together take most of the stack, from reset on, the counter's interrupt last."""
    layers: list[BuiltLayer]
    warnings: list[str]
    verdicts: NotRequired[list[Verdict]]


class OnBoard(TypedDict):
    """An inference with the board's flash, where something is known of that."""

    board_cycles: NotRequired[int]
    board_cycles_source: NotRequired[str]
    board_milliseconds: NotRequired[float]
    straddled: NotRequired[int]
    """Executed opcodes that lie across two lines of the flash."""
    energy_microjoules: NotRequired[float]
    """Estimated by what the chip draws as it infers, where that is known."""
    energy_source: NotRequired[str]


class Test(Versioned, OnBoard):
    """``tinyc test --json``, and ``test`` in report.json."""

    model: str
    board: str
    core: str
    emulator: str
    data: str | None
    """The file that the samples are from; null for random ones."""
    original: NotRequired[str]
    """The model that --original names."""
    samples: int
    mismatches: int
    """Samples of which an output is not the reference's."""
    first_mismatch: int | None
    accuracy: float | None
    """Of the first output with labels, as are those below; see its own for the others."""
    reference_accuracy: float | None
    original_accuracy: NotRequired[float]
    top_5_accuracy: NotRequired[float]
    reference_top_5_accuracy: NotRequired[float]
    original_top_5_accuracy: NotRequired[float]
    auc: NotRequired[float]
    reference_auc: NotRequired[float]
    original_auc: NotRequired[float]
    agreement: NotRequired[float]
    """The least of all outputs, where the network was changed."""
    largest_difference: NotRequired[float]
    changed_by: list[str]
    """``quantization`` of what --original names, ``conversion``, ``binarization``, ``calibration``
    and the techniques of --compress."""
    cost: NotRequired[str]
    """What each change has cost, where the agreement is low."""
    costliest: NotRequired[str]
    instructions: int | None
    """Of the first sample's inference, as are the cycles; with ``early_exit`` of the worst case."""
    cycles: int | None
    cycles_source: str | None
    clock_hz: int
    milliseconds: float | None
    counted_by: NotRequired[str | None]
    """The emulator of the instructions and the modelled cycles, as the four keys below of a test
    on a real board."""
    measured_cycles: NotRequired[int]
    """By the board's own counter, of a warm inference of the first sample."""
    measured_source: NotRequired[str | None]
    measured_milliseconds: NotRequired[float]
    model_error_percent: NotRequired[float | None]
    """Of the modelled cycles, with the board's flash where that is known, against the measured."""
    stack_bytes: int | None
    early_exit: NotRequired[TestedExit]
    inputs: list[Port]
    outputs: list[TestedPort]
    worst: NotRequired[Worst]
    warnings: list[str]
    verdicts: NotRequired[list[Verdict]]


class Profile(Versioned, OnBoard):
    """``tinyc profile --json``, and ``profile`` in report.json; of one inference."""

    model: str
    board: str
    core: str
    emulator: str
    macs: int
    binary_macs: int | None
    instructions: int | None
    cycles: int | None
    cycles_source: str | None
    clock_hz: int
    milliseconds: float | None
    stack_bytes: int | None
    early_exit: NotRequired[ProfiledExit]
    layers: list[ProfiledLayer]
    verdicts: NotRequired[list[Verdict]]


class VerifiedStage(TypedDict):
    """A stage of a model's way beside the one before it."""

    stage: str
    by: str
    """What computed it."""
    against: str | None
    """The stage before; null of the first."""
    compared: str
    """The rule by which they are to be alike."""
    verdict: str
    """``pass`` or ``FAIL``; ``near`` where numbers may differ, ``start`` of the first."""
    mismatches: int
    """Samples that break the rule, or whose class is another one."""
    largest_deviation: float | None
    agreement: float | None
    """The part of the samples in the same class, where numbers may differ."""
    relative_l2_error: float | None
    """The greatest of the outputs, there."""


class WrongLayer(TypedDict):
    """The first layer that computes something else."""

    name: str
    op: str
    origin: str
    """Of the operator in the model's file."""
    value: str
    """The tensor that differs."""
    what: str
    kernel: str | None
    """What computes it in C; null of a stage that is a graph."""
    symbol: str | None
    sample: int
    elements: int
    mismatches: int
    """Of the elements."""
    largest_deviation: float | None
    index: list[int]
    """Of the first element that differs; empty where a table does."""
    expected: float | None
    found: float | None


class Verify(Versioned):
    """``tinyc verify --json``, and ``verify`` in report.json."""

    model: str
    board: str
    core: str
    data: str | None
    """The file that the samples are from; null for random ones."""
    samples: int
    stages: list[VerifiedStage]
    failed: str | None
    """The first stage that is not as the one before it."""
    layer: WrongLayer | None
    """The first layer that differs there, of a bisection that found it."""
    note: NotRequired[str]
    """Why there is no layer."""
    operands: str | None
    """The ``.npz`` with what that layer reads, gives and is to give."""
    verdicts: NotRequired[list[Verdict]]


class Report(Versioned):
    """``report/report.json`` of a build: what is known of the same image."""

    build: NotRequired[Build]
    test: NotRequired[Test]
    profile: NotRequired[Profile]
    verify: NotRequired[Verify]


class Opened(Versioned):
    """``tinyc report --json``."""

    report: str
    pdf: str | None
    """The file that it was printed into, if any."""


class ComparedModel(TypedDict):
    model: str
    macs: int
    binary_macs: int
    accuracy: float | None
    mismatches: int
    flash_bytes: int
    ram_bytes: int
    cycles: int | None
    milliseconds: float | None
    verdicts: NotRequired[list[Verdict]]


class Compare(Versioned):
    """``tinyc compare --json``."""

    board: str
    core: str
    toolchain: str
    emulator: str
    samples: int
    cycles_source: str | None
    models: list[ComparedModel]


class DiffSide(TypedDict):
    """One of the two that `tinyc diff` compares."""

    name: str
    """As it was named."""
    model: str
    board: str
    core: str
    toolchain: str | None
    """Null where its report holds no build; likewise the two below, without a profile or test."""
    emulator: str | None
    cycles_source: str | None


class DiffTotal(TypedDict):
    """A number of the whole, null where a side does not know it."""

    name: str
    before: float | int | None
    after: float | int | None
    change: float | int | None
    percent: float | None
    """The change, of what it was before; null of 0, and of what is a part of the samples."""
    incomparable: NotRequired[str]
    """Why the two numbers do not compare."""


class DiffCost(TypedDict):
    """A layer in one of the two."""

    index: int
    name: str
    op: str
    shape: list[int] | None
    kernel: str
    macs: int
    constant_bytes: int | None
    instructions: int | None
    cycles: int | None


class DiffLayer(TypedDict):
    """A layer, which is in both where neither ``before`` nor ``after`` is null."""

    state: Literal["new", "removed", "changed", "same"]
    before: DiffCost | None
    after: DiffCost | None
    cycles_change: int | None
    """A new layer adds all of its own; null where a side does not know its cycles."""
    cycles_percent: float | None
    """Of those before."""
    constant_bytes_change: int | None
    share_percent: float
    """The larger of both changes, of the cycles and the flash of the whole before: layers are in
    the order of it, largest growth first."""
    not_taken: list[Rejected]
    """Faster kernels that are not taken after, which were not refused for that reason before."""


class Diff(Versioned):
    """``tinyc diff --json``."""

    before: DiffSide
    after: DiffSide
    totals: list[DiffTotal]
    layers: list[DiffLayer]
    notes: list[str]
    """What to know before one compares the numbers."""
    verdicts: list[Verdict]
    """Of each limit of --fail-over."""


class Train(Versioned):
    """``tinyc train --json``."""

    recipe: str
    accuracy: float
    """Of the exported model on the images held out."""
    held_out_images: int
    parameters: int
    file_bytes: int
    epochs: int
    seed: int
    seconds: float
    precision: str
    versions: dict[str, str | None]


class Figures(TypedDict):
    """What a model costs on a board, and how right it is there."""

    accuracy: float | None
    """0 to 1 on all samples held out, of the generated C; null without labels."""
    error: float | None
    """Root mean square of what a model that reproduces its inputs misses; null of others."""
    flash_bytes: int
    ram_bytes: int
    cycles: int | None
    """Modelled, at zero wait states."""
    instructions: int
    file_bytes: int
    fits: bool
    """Whether the firmware fits the board; else the figures are those on a larger one."""
    early: float | None
    """The part of the samples held out that leaves the network early; null without a side head."""
    average_cycles: int | None
    """By that part; ``cycles`` are those of the worst case."""


class Ratios(TypedDict):
    """Of what was compressed to what was given, as int8."""

    flash: float
    ram: float
    cycles: float | None
    accuracy: float | None
    """The difference."""


class Compress(Versioned):
    """``tinyc compress --json``."""

    model: str
    techniques: list[str]
    """In their order, as they were given."""
    board: str
    optimize: str
    data: str
    seed: int
    epochs: float
    before: Figures | None
    """Of the model as it was given, int8; null where a recipe describes a network."""
    after: Figures
    ratios: Ratios | None
    file: str
    sha256: str
    repeats: bool | None
    """Whether the file is that of the recipe to the bit; null without a recipe's result."""
    seconds: float


class Limits(TypedDict):
    flash_bytes: int
    ram_bytes: int
    cycles: int | None
    """Null for any."""


class Question(TypedDict):
    question: str
    answer: str


class Way(TypedDict):
    """Something to try. What is expected of it is null where nothing was measured."""

    name: str
    techniques: str
    """As ``tinyc compress --with`` takes them, or ``recipe:NAME``."""
    why: str
    measured_on: str
    """The network whose ratios were measured, see docs/compression.md."""
    flash_bytes: int | None
    cycles: int | None
    accuracy_change: float | None
    reaches: bool
    """Whether what is expected keeps the limits."""
    command: str


class Advise(Versioned):
    """``tinyc advise --json``; the model as int8 on the board."""

    model: str
    board: str
    parameters: int
    macs: int
    binary_macs: int
    flash_bytes: int
    ram_bytes: int
    cycles: int
    """Modelled, at zero wait states."""
    milliseconds: float
    fits: bool
    limits: Limits
    """Those given, else what the board has."""
    over: dict[str, float]
    """Flash, RAM or cycles that are over their limit, and how many times."""
    questions: list[Question]
    ways: list[Way]
    """The best first."""


class SearchBounds(TypedDict):
    """Null is no bound."""

    min_accuracy: float | None
    max_flash: int | None
    max_ram: int | None
    max_cycles: int | None


class FrontPoint(TypedDict):
    """A model that no other of a search beats in accuracy, flash, RAM and cycles."""

    text: str
    """Its techniques, or its network."""
    folder: str
    """Of model.tflite and recipe.toml, from that of front.json."""
    figures: Figures
    ratios: Ratios | None
    sha256: str
    """Of the model's file."""
    kept: bool
    """Whether it keeps the bounds."""
    chosen: bool


class FailedTrial(TypedDict):
    text: str
    error: Error


class Search(Versioned):
    """``tinyc compress --json`` of a search, and ``tinyc search --json``."""

    model: str | None
    board: str
    optimize: str
    goal: str
    bounds: SearchBounds
    seed: int
    before: Figures | None
    """Of the model as it was given, int8; null where networks are searched."""
    trained: int
    estimated: int
    """Trials beyond those, whose estimates earned them no training."""
    failed: list[FailedTrial]
    complete: bool
    """Whether all trials are done."""
    front: list[FrontPoint]


class BenchRow(TypedDict):
    """A model on a board under settings; null is what is not known, since it failed before."""

    model: str
    """The file's name, or its path where several have the same."""
    board: str
    optimize: str
    backend: str
    toolchain: str | None
    emulator: str
    core: str | None
    compiler: str | None
    """Its name and version."""
    sha256: str | None
    """Of the model's file; null for a folder or a function."""
    macs: int | None
    binary_macs: int | None
    cycles: int | None
    """Of one inference of a seeded random input, as are the instructions."""
    cycles_per_mac: float | None
    """MACs of signs included."""
    cycles_source: str | None
    board_cycles: int | None
    """With the board's flash, where something is known of that."""
    instructions: int | None
    flash_bytes: int | None
    """Sizes are of the linked ELF, see ``tinyc build``."""
    ram_bytes: int | None
    arena_bytes: int | None
    stack_bytes: int | None
    early_exit: NotRequired[ProfiledExit]
    build_seconds: NotRequired[float]
    """From the file to the ELF."""
    error: NotRequired[Error]
    """Why there are no more numbers, or why they are of wrong outputs."""


class Bench(Versioned):
    """``tinyc bench --json``."""

    rows: list[BenchRow]
    verdicts: NotRequired[list[Verdict]]
    """Of rows that failed, and with --against of each number."""


class KernelLayer(TypedDict):
    core: str
    layer: str
    output: Literal["packed", "i8", "f32"]
    kernel: str
    cycles: int
    cycles_per_binary_mac: float
    goal: float | None
    constant_bytes: int
    scratch_bytes: int
    toolchain: str
    cycles_source: str


class Kernels(Versioned):
    """``tinyc bench --kernels --json``."""

    negative_inputs: float
    toolchain: str
    cycles: str
    layers: list[KernelLayer]


class BoardLine(TypedDict):
    name: str
    aliases: list[str]
    core: str
    clock_hz: int
    flash_bytes: int
    ram_bytes: int


class Boards(Versioned):
    """``tinyc boards --json``."""

    boards: list[BoardLine]


class Board(Versioned, BoardLine):
    """``tinyc boards show --json``."""

    title: str
    memory: dict[str, str]
    console: str
    counter: str
    qemu: str | None
    renode: str | None
    flashed_by: list[str]
    sources: dict[str, str]


class Commands(Versioned):
    """``tinyc flash --json`` and ``tinyc debug --json``."""

    tool: str
    board: str
    image: str
    commands: list[list[str]]


class Init(Versioned):
    """``tinyc init --json``."""

    folder: str
    board: str
    files: list[str]


class Serve(Versioned):
    """``tinyc serve --json``, as soon as there is a terminal."""

    terminal: str
    """Its path."""
    model: str
    board: str
    emulator: str


class Export(Versioned):
    """``tinyc export --json``."""

    form: str
    folder: str
    files: list[str]


class MeasuredPoint(TypedDict):
    """An image that was measured on silicon."""

    name: str
    measured_cycles: int
    modelled_cycles: int
    error_percent: float
    left_out_error_percent: float
    """As a fit of the other points foretells it."""
    counts: dict[str, int]
    """What one inference counts, which is what the fit knows of the image."""


class Calibrate(Versioned):
    """``tinyc boards calibrate --json``."""

    board: str
    source: str
    charges: dict[str, float]
    """Term -> cycles for each time; ``TERM apart``: in the points that name it so."""
    rms_percent: float
    largest_percent: float
    left_out_rms_percent: float
    left_out_largest_percent: float
    left_out_model_rms_percent: float
    """Of all images of a network, by those of the others."""
    left_out_model_largest_percent: float
    points: list[MeasuredPoint]


class FitMemory(TypedDict):
    name: str
    kind: Literal["flash", "ram"]
    used_bytes: int
    size_bytes: int


class FittingWay(SmallerWay):
    """Something that would make a model fit, or nearly. What is saved is of weights and of
    activations, by the plan; where it is expected, of all."""

    memories: NotRequired[list[FitMemory]]
    """Of what was linked so."""
    accuracy_change: NotRequired[float | None]
    """Of what is expected, where it was measured."""


class FitBoard(OnBoard):
    """A model on a board. Of the inference there is nothing where it does not fit."""

    board: str
    core: str
    clock_hz: int
    fits: bool
    asked: bool
    """Whether it fits and is as fast, and takes as little energy, as was asked."""
    why: NotRequired[str]
    """Why it is not."""
    memories: list[FitMemory]
    """Those of which something is known; more than its size is what one lacks."""
    memories_source: str
    instructions: NotRequired[int | None]
    """Of a random input, as are the cycles; of the worst case where it may be left early."""
    cycles: NotRequired[int | None]
    cycles_source: NotRequired[str]
    milliseconds: NotRequired[float | None]
    error: NotRequired[Error]
    """Why it does not fit."""
    ways: list[FittingWay]
    """What would make it fit: all that saves something on a board that was named, else the first
    that is enough."""


class Fit(Versioned):
    """``tinyc fit --json``; the best board first."""

    model: str
    boards: list[FitBoard]


class TunedLayer(TypedDict):
    name: str
    op: str
    kernel: str
    schedule: NotRequired[dict[str, int]]
    """Of a kernel that TVM makes."""
    cycles: int
    """In the whole firmware."""
    ways: int
    """How many were measured, 1 where there is no other."""


class TunedPoint(TypedDict):
    """Firmware that was measured. Sizes are those of ``tinyc build``."""

    cycles: int
    flash_bytes: int
    ram_bytes: int
    order: Literal["speed", "balanced", "ram", "flash"]
    """Layers run one by one (``speed``), with packed constants (``flash``), or by rows where that
    saves memory."""
    kernels: list[str]
    """Layer by layer."""


class TunedBuild(TypedDict):
    """What was chosen for a model on a core."""

    model: str
    core: str
    optimize: str
    graph: str
    """SHA-256 of the layers, their types and constants, after all passes."""
    sha256: str | None
    """Of the model's file; null for a folder or a function."""
    tinyc: str
    """The version that tuned it."""
    compiler: str
    board: str
    backend: str
    max_flash: int | None
    max_ram: int | None
    cycles: int
    cycles_source: str
    flash_bytes: int
    ram_bytes: int
    order: Literal["speed", "balanced", "ram", "flash"]
    layers: list[TunedLayer]
    front: list[TunedPoint]
    """What nothing else that was measured is better than in all, by cycles."""
    usual: TunedPoint | None
    """What the planner takes by itself; null where that does not fit."""


class Lock(Versioned):
    """``tinyc.lock``."""

    builds: list[TunedBuild]


class Tune(Versioned):
    """``tinyc tune --json``."""

    database: str
    lock: str | None
    build: TunedBuild


class Operator(TypedDict):
    operator: str
    tflite: list[str]
    """What it is called there; so are the two below."""
    lce: list[str]
    onnx: list[str]
    dtype: str
    """Of its first operand."""
    kernels: dict[str, str]
    """Core -> the fastest kernel."""


class Ops(Versioned):
    """``tinyc ops --json``."""

    operators: list[Operator]


class CheckedModel(TypedDict):
    model: str
    """Its path in the folder."""
    copies: list[str]
    """Other files of the same bytes, which were not checked again."""
    builds: bool
    exact: bool | None
    """Whether the firmware gave what the reference does, and the reference what the format's own
    runtime does, where that could tell; null where it did not come to that."""
    seconds: float
    reasons: list[Error]
    """Why it does not build, or is not exact: the first problem of each kind."""
    board: NotRequired[str | None]
    """The first that holds it; null: none does, it ran on that of --board as if its memories had
    no end."""
    flash_bytes: NotRequired[int]
    """Of the firmware that ran, as is the RAM."""
    ram_bytes: NotRequired[int]
    compared: NotRequired[list[str]]
    """How near its outputs had to come."""
    runtime: NotRequired[str]
    """What computed it besides."""
    runtime_failed: NotRequired[str]
    """Why the runtime that is installed for its format did not."""


class Reason(TypedDict):
    """Why models do not build, or are not exact."""

    id: str
    what: str
    """Of the first of them."""
    models: int
    first: str


class Coverage(Versioned):
    """``tinyc ops --check FOLDER --json``."""

    folder: str
    board: str
    """The first that was tried."""
    samples: int
    emulator: str
    checked: int
    build: int
    exact: int
    by_runtime: int
    """Of the exact ones, those that the runtime of their format computed, too."""
    models: list[CheckedModel]
    reasons: list[Reason]
    verdicts: NotRequired[list[Verdict]]


class Tool(TypedDict):
    group: str
    tool: str
    version: str | None
    problem: str | None
    purpose: str
    remedy: str


class Doctor(Versioned):
    """``tinyc doctor --json``."""

    tools: list[Tool]


class Failure(Versioned):
    """What any verb prints with ``--json`` where it fails."""

    error: Error
    """The first of them."""
    errors: list[Error]


class ShownValue(TypedDict):
    """An input, a state, a node's output (``%3``) or a constant (``@3``)."""

    name: str
    shape: list[int]
    dtype: str
    scale: NotRequired[list[float]]
    """Of a quantized one: one number, or one for each channel."""
    zero_point: NotRequired[list[int]]


class ShownNode(TypedDict):
    op: str
    attributes: dict[str, str]
    inputs: list[str]
    outputs: list[str]
    origin: str


class ShownState(TypedDict):
    entry: str
    exit: str


class ShownGraph(TypedDict):
    model: str
    inputs: list[str]
    outputs: list[str]
    states: list[ShownState]
    nodes: list[ShownNode]
    values: dict[str, ShownValue]


class ShownLayer(TypedDict):
    index: int
    name: str
    kernel: str
    inputs: list[str]
    outputs: list[str]
    macs: int
    constant_bytes: int
    rejected: list[Rejected]


class ShownBuffer(TypedDict):
    """A piece of the arena."""

    offset: int
    bytes: int
    first_layer: int
    """-1: it is there before the run."""
    last_layer: int
    """The number of layers: it is read after the run."""
    values: list[str]
    """None of the working memory of a layer."""


class ShownChain(TypedDict):
    """Layers that take turns by rows."""

    first_layer: int
    last_layer: int
    rows: int
    """That each makes in a turn, at most."""
    held: dict[str, int]
    """How many rows there are, at most, of what lies between them."""


class ShownPlan(TypedDict):
    model: str
    core: str
    features: list[str]
    layers: list[ShownLayer]
    chains: list[ShownChain]
    arena_bytes: int
    peak_bytes: int
    """Alive at once in ``peak_layer``: no arena is smaller."""
    peak_layer: int
    buffers: list[ShownBuffer]


class Stage(TypedDict):
    stage: str
    """``read``, a pass, ``plan`` ..."""
    graph: NotRequired[ShownGraph]
    plan: NotRequired[ShownPlan]


class Show(Versioned):
    """``tinyc show --json``."""

    stages: list[Stage]
