"""Every error that tinyc raises: its id, and what it means in a sentence.

docs/errors.md is made from it (`make docs`). An id is stable: it keeps its meaning, and one that is
no longer raised is not given to another. Its first digit is the exit code of the command.
"""

from __future__ import annotations

CLASSES = {
    1: "An internal error: a bug in tinyc, to be reported",
    2: "How tinyc was called, and the files that it was given besides the model",
    3: "The model: malformed, or with what tinyc cannot compute",
    4: "The firmware does not fit the board",
    5: "Wrong outputs, or too little accuracy",
    6: "Over a budget",
    7: "A tool or a package is missing, or cannot be used",
    8: "The disk, an emulator or a probe failed",
}
"""First digit -> what such errors are about."""

CATALOGUE = {
    "E100": "An exception that nobody expected ended the command.",
    "E103": "No bound of the stack can be told: a recursion, or a call that leads nowhere known.",
    # How tinyc was called.
    "E200": "The command line is not understood: an unknown verb or option, a missing value.",
    "E201": "A model or a board is not named, or an option excludes another or has no such value.",
    "E202": "A file or folder that was named is not there.",
    "E203": "A file that was named cannot be read, or is no model or ELF.",
    "E204": "There is no board of that name.",
    "E205": "There is no toolchain of that name.",
    "E206": "There is no emulator of that name, or it cannot do what is asked.",
    "E207": "The emulator does not have the board.",
    "E208": "A settings file or a recipe has a key that tinyc does not know.",
    "E209": "A setting has a value that it cannot have, or its file is no TOML.",
    "E210": "A file of samples or images cannot be read.",
    "E211": "An array is missing from the samples, is given twice, or belongs to nothing.",
    "E212": "An array of the samples has another shape than the model takes.",
    "E213": "An array of the samples has a type that cannot become the model's.",
    "E214": "The samples hold numbers that cannot be: NaN, infinity, classes out of range.",
    "E215": "Float layers lie between binary ones, and nothing says what becomes of them.",
    "E216": "The Python file or folder gives no model.",
    "E217": "Calibration or float glue is asked for where it cannot be.",
    "E218": "There is no recipe of that name.",
    "E219": "The data to train with are not there.",
    "E220": "A checkpoint is of another training, or cannot be read.",
    "E221": "The recipe does not suit the size or the number of its images.",
    "E222": "There is no such form of export, or not for this board.",
    "E223": "The recipe trains with other data than those given.",
    "E225": "Keras or PyTorch cannot compute the samples.",
    "E227": "The converter left the inputs or outputs in an order that nothing tells.",
    "E228": "The samples take more memory than tinyc gives them.",
    "E229": "A label is no class of the output that it is for.",
    "E230": "The board cannot be flashed or debugged by that tool, or by any.",
    "E231": "The probe is named in a form that probe-rs does not know.",
    "E232": "The ELF is linked for the memory of another board.",
    "E233": "`tinyc init` would write over what is the user's, or the model lies elsewhere.",
    "E234": "The samples are more than Renode's memory for them holds.",
    "E235": "The output folder was not made by tinyc, or by another verb, or is the current one.",
    "E236": "The output folder is of another model of the same name.",
    "E237": "A file of the user's in the output folder has the name of one that tinyc writes.",
    "E238": "What is given as a probe cannot be one.",
    "E239": "OpenOCD cannot be given that file name.",
    "E240": "The file is no database of schedules.",
    "E241": "The emulated board's UART hears nothing, so that it cannot be spoken to.",
    "E245": "What is named as a file cannot be one, as a folder or a pipe.",
    "E246": "A board's file, the one that it extends, or a plugin's file is not there.",
    "E247": "A board's file lacks a fact, or states one that cannot be.",
    "E248": "`tinyc show --after` names no stage, or one that this model does not go through.",
    "E251": "A plugin cannot be loaded, fails, or brings C that does not compile.",
    "E252": "Two plugins, or a plugin and tinyc, bring something of the same name.",
    "E253": "What a benchmark is to be held against is nothing that `tinyc bench --json` wrote.",
    "E254": "The lock does not fit the model, the core or tinyc's kernels (any more).",
    "E255": "The file is no lock of `tinyc tune`, or of a later version.",
    "E256": "What `tinyc diff` is to compare is neither a build's report nor a model.",
    "E257": "The original takes or gives other shapes than the model that was made of it.",
    "E258": "Under --strict: the data are odd, or the answers do not depend on them.",
    # The model.
    "E300": "The model has an operator that tinyc does not know.",
    "E301": "The file breaks the rules of its format.",
    "E302": "An operator's operands or options do not fit each other, or are not supported.",
    "E303": "A tensor has an element type that is not supported there.",
    "E304": "A tensor's quantization is missing, broken, or not supported there.",
    "E305": "A shape or an operand is not fixed when the model is compiled.",
    "E306": "No kernel computes a node, or the states of the network exchange their values.",
    "E307": "Under --strict: a layer falls back from a faster kernel or form.",
    "E308": "A float layer cannot be calibrated.",
    "E309": "Keras or PyTorch cannot load the file.",
    "E310": "A layer of larq cannot become a binary one.",
    "E311": "A model cannot be converted to TensorFlow Lite, or cannot be called on its inputs.",
    "E312": "The file holds code, which runs under --trust only.",
    "E313": "A SavedModel or a tf.Module has no signature, or several.",
    "E324": "A constant holds NaN or infinity.",
    "E325": "The filters of a binary layer have bits beyond its last channel.",
    "E330": "The model is quantized in a way of which tinyc computes a part only.",
    "E333": "The file is larger than any model for a microcontroller.",
    "E340": "The sums of an int16 layer may leave 64 bits, or its bias leaves 40.",
    "E341": "The scales of an int16 layer are too far apart for its fixed-point numbers.",
    "E342": "An int16 tensor has a zero point.",
    "E343": "A recurrent layer has a form that is not supported.",
    "E344": "An LSTM's cells have a scale for which TFLite has no tanh.",
    "E346": "A layer mixes uint8 and int8 operands.",
    "E350": "An integer division is by a constant that holds a zero.",
    "E351": "LOG_SOFTMAX is int8, for which there is no kernel.",
    "E352": "The ONNX file is of an operator set that is too old, or newer than the onnx package.",
    "E353": "Several operators of the model are refused: how many, and the way out.",
    "E354": "A layer, or a state, does not let the network be computed as a stream.",
    "E355": "The rows of the input cannot come one at a time.",
    "E356": "The network cannot be left early: it has not two heads alike, or keeps states.",
    "E360": "The model is none that techniques for Keras models can change.",
    "E361": "A technique lacks labels, stands where it cannot, or its training fails.",
    "E362": "A technique names a layer that the model does not have.",
    "E363": "A search has found no model within its bounds.",
    # The board.
    "E401": "The firmware needs more flash or RAM than the board has.",
    # Outputs.
    "E501": "The board gives other outputs than the reference: a bug in tinyc or its compiler.",
    "E502": "The accuracy is below the one expected.",
    "E503": "An accuracy is expected, and the data has no labels.",
    "E504": "Too few samples stay in the class in which the model as it was given puts them.",
    "E505": "Of the models of a folder that was checked, some do not build or are not exact.",
    "E506": "The reference gives other outputs than the runtime of the model's format.",
    # Budgets.
    "E601": "The cycles of an inference are over their budget, or the emulator counts none.",
    "E602": "The flash is over its budget.",
    "E603": "The RAM is over its budget.",
    "E604": "The instructions of an inference are over their budget, or are not counted.",
    "E605": "A number of a benchmark is worse than in the file that it is held against.",
    "E606": "A total of a build is worse by more than `tinyc diff --fail-over` allows, or unknown.",
    "E607": "A board that the model fits is too slow, or takes too much energy, for what is asked.",
    # Tools.
    "E701": "The cross compiler is missing.",
    "E702": "The compiler did not end in time, or cannot build its runtime library.",
    "E703": "There is no C compiler for the host, or the toolchain has no C library.",
    "E704": "QEMU is missing.",
    "E705": "A Python package is missing.",
    "E706": "TVM is missing, or cannot be loaded.",
    "E707": "Renode is missing, or too old.",
    "E708": "TVM is installed in a version with which tinyc does not work.",
    "E710": "The tool to flash or debug the board is missing.",
    "E711": "The browser that prints a report is missing.",
    # Disk, emulators, probes.
    "E801": "The disk is full, or its quota is used up.",
    "E802": "The firmware faulted, or an emulator or compiler ended without its result.",
    "E803": "The firmware did not end, or the emulator did not answer in time.",
    "E805": "The disk does not allow the access.",
    "E806": "The access to the disk failed otherwise.",
    "E807": "The link for the terminal is there already.",
    "E809": "There is no folder for what tinyc keeps between its runs.",
    "E810": "The program that flashes or debugs the board failed.",
    "E811": "The board's drive is not mounted, several are, or it is not in its boot loader.",
    "E812": "The check of a model of a folder did not end in time, or ended its process.",
    "E813": "A process that measured beside others was ended, as by lack of memory.",
    "E814": "No Dask scheduler answers, or its workers cannot measure.",
    "E815": "The emulated core and the host come to different outputs.",
    "E816": "Another search is at work in the output folder.",
    "E817": "The serial port of a board is not there, may not be opened, or went away.",
    "E818": "Another program has the serial port of the board.",
    "E819": "The board on the serial port does not answer, or is not done in time.",
    "E820": "What comes from the serial port is no text: the baud rate is another one.",
    "E821": "The board on the desk runs the firmware of another network, or of other settings.",
}
"""Id -> its meaning."""


def markdown() -> str:
    """The whole of docs/errors.md."""
    lines = [
        "# Errors", "",
        "Made by `make docs`. A problem is one line on stderr:", "",
        "```", "E301 model.tflite: op 7 'conv1' (CONV_2D): what; hint", "```", "",
        "With `--json` it is an object on stdout, too. An id keeps its meaning; its first digit is "
        "the exit", "code of the command.", "",
    ]  # fmt: skip
    for digit, title in CLASSES.items():
        lines += [f"## E{digit}xx: exit code {digit}", "", f"{title}.", ""]
        lines += ["| id | meaning |", "| --- | --- |"]
        lines += [f"| {id} | {text} |" for id, text in CATALOGUE.items() if id[1] == str(digit)]
        lines.append("")
    return "\n".join(lines)
