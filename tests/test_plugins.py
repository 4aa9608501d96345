"""What a project and an installed package bring: boards, recipes, operators, kernels, emulators."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_tiny
from tflite_writer import TensorSpec, write_model

from tinyc import config, plugins
from tinyc import run as run_room
from tinyc.cli import app as cli
from tinyc.errors import CompileError, CompileErrors
from tinyc.frontends.tflite import read
from tinyc.kernels.base import kernels_of
from tinyc.ops import base as ops_base
from tinyc.ops.base import all_ops
from tinyc.target import boards
from tinyc.target.boards import all_boards, load_board
from tinyc.train import recipe

BOARD = 'extends = "stm32f4_discovery.toml"\nname = "gateway"\naliases = ["gw"]\n'
RECIPE = """title = "Mine"
data = "digits"
seed = 1
epochs = 1
[model]
body = "int8"
stem = 4
stages = [[4]]
[optimizer]
learning_rate = 0.01
batch = 32
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder to write a project into; afterwards its boards are no longer those in use."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    boards.use_folders(())


def write(folder: Path, **files: str) -> None:
    """Files by their names, ``__`` for a slash and ``_dot_`` for the dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def refused(folder: Path) -> CompileError:
    """What is said of the project in the current folder."""
    with pytest.raises((CompileError, CompileErrors)) as caught:
        config.project()
        all_boards()
        recipe.load("mine", [folder / "recipes"])
    error = caught.value
    return error.errors[0] if isinstance(error, CompileErrors) else error


def test_a_project_has_boards_cores_and_recipes(project: Path, capsys) -> None:
    write(
        project,
        tinyc_dot_toml='boards = ["boards"]\nrecipes = ["recipes"]\n',
        boards__gateway_dot_toml=BOARD + 'core = "m4-slow"\n',
        boards__cores__m4_slow_dot_toml="",
        recipes__mine_dot_toml=RECIPE,
    )
    (project / "boards/cores/m4_slow.toml").unlink()
    (project / "boards/cores/m4-slow.toml").write_text(
        'extends = "cortex-m4.toml"\nname = "m4-slow"\ntitle = "Ours"\n'
    )
    assert cli.execute(["boards", "--json"]) == 0
    names = [b["name"] for b in json.loads(capsys.readouterr().out)["boards"]]
    assert "gateway" in names and names == sorted(names) and "microbit" in names
    board = load_board("gw")
    assert (board.name, board.core.name) == ("gateway", "m4-slow")
    assert board.memory == load_board("stm32f4_discovery").memory
    assert recipe.load("mine", [project / "recipes"])[1].title == "Mine"
    # Another project does not have them.
    config.project(project / "boards")
    assert "gateway" not in [b.name for b in all_boards()]


@pytest.mark.parametrize(
    ("text", "files", "id", "said"),
    [
        ('boards = ["nope"]', {}, "E246", "no such folder; `boards` in tinyc.toml names folders"),
        ('boards = "boards"', {}, "E209", "boards: 'boards': Input should be a list"),
        ('plugins = ["nope.py"]', {}, "E246", "no such Python file"),
        ('boards = ["b"]', {"b__x_dot_toml": "= 3"}, "E209", "x.toml: is not valid TOML"),
        ('boards = ["b"]', {"b__x_dot_toml": "core = 3"}, "E247", "x.toml: core: 3 is no core"),
        (
            'boards = ["b"]', {"b__x_dot_toml": BOARD.replace("gw", "stm32")}, "E252",
            "the name 'stm32': it is stm32f4_discovery's; give one of the two another name",
        ),
        (
            'boards = ["b"]', {"b__cores__cortex_m4_dot_toml": "", "b__x_dot_toml": BOARD}, "", "",
        ),
        ("", {"recipes__mine_dot_toml": "seed = 1"}, "E209", "the key 'title' is missing"),
    ],
)  # fmt: skip
def test_a_projects_mistakes(
    text: str, files: dict[str, str], id: str, said: str, project: Path
) -> None:
    write(project, tinyc_dot_toml=text, **files)
    if not id:  # a core of another name disturbs nobody
        config.project(project)
        assert load_board("gateway").core.name == "cortex-m4"
        return
    error = refused(project)
    assert error.id == id and said in str(error), error


def test_a_recipe_has_one_name(project: Path) -> None:
    write(project, recipes__digits_int8_dot_toml=RECIPE)
    (project / "recipes/digits_int8.toml").rename(project / "recipes/digits-int8.toml")
    with pytest.raises(CompileError, match=r"E252 .*digits-int8.toml: the recipe: it is "):
        recipe.load("digits-int8", [project / "recipes"])


KERNEL = """
from tinyc.kernels.base import Binding, Kernel, provide
from tinyc.ops.fully_connected import FullyConnected
from tinyc.run import Emulator, register
from tinyc.run import unicorn


def bind(node):
    weights, bias = (v.data.ravel().tolist() for v in node.inputs[1:])
    return Binding({"weights": weights, "bias": bias, "count": node.inputs[0].type.elements},
                   support=("mine.h",))


provide(FullyConnected, Kernel("dense_mine", "mine.c.j2", frozenset(), lambda node: None, bind))
register(Emulator("mine", "Mine", "test", unicorn.run))
"""
TEMPLATE = """
static TINYC_LAYER void {{ fn }}(const int8_t *in, int8_t *out)
{
    for (int32_t i = 0; i < {{ bias | length }}; i++) {
        out[i] = mine_first(in);
    }
}
"""
HEADER = """
static inline int8_t mine_first(const int8_t *in)
{
    return in[0];
}
"""


def tinyc(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess:
    """A command in a process of its own: what a plugin brings is there to stay."""
    root = str(Path(plugins.__file__).parents[1])
    places = os.pathsep.join([str(path), root] if path else [root])
    return subprocess.run(
        [sys.executable, "-m", "tinyc.cli", *arguments], cwd=folder, capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": places}, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_a_projects_kernel_goes_first_and_is_judged(project: Path) -> None:
    write_tiny(project / "tiny.tflite")
    write(
        project,
        tinyc_dot_toml='model = "tiny.tflite"\nboard = "stm32"\nplugins = ["kernels/mine.py"]\n',
        kernels__mine_dot_py=KERNEL, kernels__mine_dot_c_dot_j2=TEMPLATE,
        kernels__mine_dot_h=HEADER,
    )  # fmt: skip
    done = tinyc(project, "test", "--emulator", "mine", "--samples", "1", "--json")
    assert done.returncode == 5, done.stderr  # it computes something else
    assert "E501 tiny on stm32f4_discovery: 1 of 1 samples differ" in done.stderr
    assert "; it is a plugin that is wrong" in done.stderr
    told = json.loads(done.stdout)
    assert told["emulator"] == "mine" and told["mismatches"]
    report = json.loads((project / "build/stm32f4_discovery/tiny/report/report.json").read_text())
    assert [layer["kernel"] for layer in report["build"]["layers"]][-1] == "dense_mine"


@pytest.mark.slow
def test_a_kernels_files_lie_beside_its_plugin(project: Path) -> None:
    write_tiny(project / "tiny.tflite")
    write(project, tinyc_dot_toml='plugins = ["mine.py"]', mine_dot_py=KERNEL)
    given = ("build", "tiny.tflite", "--board", "stm32")
    done = tinyc(project, *given)
    hint = "it belongs beside the plugin that brings the kernel"
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == f"E246 mine.h: no such header of a kernel; {hint}"
    write(project, mine_dot_h=HEADER)
    done = tinyc(project, *given)
    assert done.stderr.splitlines()[-1] == f"E246 mine.c.j2: no such template of a kernel; {hint}"
    write(project, mine_dot_c_dot_j2=TEMPLATE.replace("mine_first", "mine_last"))
    done = tinyc(project, *given)
    assert done.returncode == 2, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith("E251 src/tiny.c: does not compile: ") and "mine_last" in said
    assert said.endswith("; correct the C of the plugin's kernel")
    write(project, mine_dot_c_dot_j2="{{ absent }}")
    done = tinyc(project, *given)
    said = f"E251 {project}/mine.c.j2, line 1: failed: UndefinedError: 'absent' is undefined"
    assert done.stderr.splitlines()[-1] == f"{said}; correct the plugin"
    write(project, mine_dot_py=KERNEL.replace("lambda node: None", "lambda node: 1 / 0"))
    done = tinyc(project, *given, "--json")
    assert done.returncode == 2 and json.loads(done.stdout)["error"]["id"] == "E251"
    assert "mine.py, line 14: failed: ZeroDivisionError: division by zero" in done.stderr


@pytest.mark.slow
def test_what_a_plugin_prints_is_no_data(project: Path) -> None:
    write(project, tinyc_dot_toml='plugins = ["mine.py"]', mine_dot_py="print('here I am')\n")
    done = tinyc(project, "boards", "--json")
    assert "here I am" in done.stderr and json.loads(done.stdout)["boards"], done.stderr


@pytest.mark.parametrize(
    ("text", "id", "said"),
    [
        ("import nope", "E251", "ModuleNotFoundError: No module named 'nope' (mine.py, line 1)"),
        (
            "from tinyc.target.boards import add_folder\nfrom pathlib import Path\n"
            "add_folder(Path('absent'))", "E246", "absent: no such folder",
        ),
        ("x = = 3", "E251", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("raise SystemExit", "E251", "cannot be loaded: SystemExit (mine.py, line 1)"),
        (
            "from tinyc.kernels.base import Kernel, kernels_of, provide\n"
            "from tinyc.ops.relu import Relu\nprovide(Relu, kernels_of(Relu)[0])",
            "E252", "kernel 'relu_s8' of Relu: it is there already; give one of the two another",
        ),
        (
            "from tinyc.ops.base import register\n@register\nclass Relu: pass",
            "E252", "operator Relu: it is there already",
        ),
        (
            "from tinyc.run import Emulator, emulators, register\nregister(emulators()['qemu'])",
            "E252", "emulator 'qemu'",
        ),
    ],
)  # fmt: skip
def test_a_plugins_mistakes(text: str, id: str, said: str, project: Path) -> None:
    write(project, tinyc_dot_toml='plugins = ["mine.py"]', mine_dot_py=text)
    for _ in range(2):  # it is not half there the second time
        error = refused(project)
        assert error.id == id and error.origin == "mine.py" and said in str(error), error


def test_a_plugin_that_failed_can_be_corrected(project: Path) -> None:
    good = (
        "from dataclasses import dataclass\nfrom tinyc.ir import Op\n"
        "from tinyc.kernels.base import Kernel, provide\nfrom tinyc.ops.base import register\n"
        "from tinyc.run import Emulator, register as emulator\n"
        "@register\n@dataclass(frozen=True)\nclass Corrected(Op):\n    by: int = 1\n"
        "provide(Corrected, Kernel('corrected', '', frozenset(), None, None))\n"
        "emulator(Emulator('corrected', 'It', 'test', None))\n"
    )
    write(project, tinyc_dot_toml='plugins = ["mine.py"]', mine_dot_py=good + "raise ValueError\n")
    assert refused(project).id == "E251"
    write(project, mine_dot_py=good.replace("by: int = 1", "by: int = 2"))
    config.project()
    (op,) = (op for op in all_ops() if op.__name__ == "Corrected")
    (kernel,) = kernels_of(op)
    assert op.by == 2 and kernel.name == "corrected"
    ops_base._OPS.pop("Corrected")
    run_room._EMULATORS._found.pop("corrected")


# Packages ----------------------------------------------------------------------------------


def package(folder: Path, text: str) -> Path:
    """An installed package ``acme`` whose plugin is ``text``; the folder that is on the path."""
    place = folder / "site"
    info = place / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tinyc.plugins]\nacme = acme_tinyc\n")
    module = place / "acme_tinyc"
    (module / "boards").mkdir(parents=True)
    (module / "boards/gateway.toml").write_text(BOARD)
    (module / "mine.c.j2").write_text(TEMPLATE)
    (module / "mine.h").write_text(HEADER)
    (module / "__init__.py").write_text(text)
    return place


BOARDS = """
from pathlib import Path
from tinyc.target.boards import add_folder

add_folder(Path(__file__).parent / "boards")
"""


@pytest.mark.slow
def test_a_package_brings_boards_kernels_and_an_emulator(tmp_path: Path) -> None:
    place = package(tmp_path, KERNEL + BOARDS)
    write_tiny(tmp_path / "tiny.tflite")
    given = ("--board", "gw", "--emulator", "mine", "--samples", "1")
    done = tinyc(tmp_path, "test", "tiny.tflite", *given, path=place)
    assert done.returncode == 5 and "E501 tiny on gateway" in done.stderr, done.stderr
    report = json.loads((tmp_path / "build/gateway/tiny/report/report.json").read_text())
    assert report["build"]["layers"][-1]["kernel"] == "dense_mine"


def test_a_broken_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = package(tmp_path, "import nope\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setattr(plugins, "_asked", False)
    importlib.invalidate_caches()
    for _ in range(2):
        with pytest.raises(CompileError) as caught:
            all_boards()
        assert str(caught.value) == (
            "E251 package acme (acme = acme_tinyc): cannot be loaded: ModuleNotFoundError: No "
            "module named 'nope' (__init__.py, line 1); install another version of it, or "
            "`pip uninstall acme`"
        )
    assert plugins.installed() == [("acme", "1.0")]
    # Nothing of it is loaded for this.
    done = tinyc(tmp_path, "--help", path=place)
    assert done.returncode == 0 and "nope" not in done.stderr


def test_a_custom_operator_is_for_a_plugin(tmp_path: Path) -> None:
    specs = [TensorSpec(name, (1, 6), "int8", 1.0) for name in "xy"]
    path = write_model(tmp_path / "m.tflite", [("CUSTOM Mine", {}, [0], [1])], specs, [0], [1])
    with pytest.raises(CompileError, match=r"E300 .*; a plugin of yours can bring it"):
        read(path)
