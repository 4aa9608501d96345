"""The fixtures for pytest, in small repositories of their own."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from tflite_writer import TensorSpec, write_model

from tinyc import plugins
from tinyc.image import build

pytest_plugins = ["pytester"]

# pytest loads an installed plugin by itself, and must not be told of it twice.
INSTALLED = any(
    e.value == "tinyc.pytest_plugin" for e in importlib.metadata.entry_points(group="pytest11")
)
PLUGIN = () if INSTALLED else ("-p", "tinyc.pytest_plugin")

# pytester forgets what its runs import, and a module that is imported again would register its
# things a second time.
for _room in ("ops", "kernels", "frontends.tflite.rules", "frontends", "compress", "run"):
    plugins.load(f"tinyc.{_room}")


@pytest.fixture
def repository(
    pytester: pytest.Pytester, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A folder with ``tiny.tflite`` and a ``tinyc.toml`` that names it and a board."""
    # pytester has a home of its own, in which nothing would be cached.
    cache = os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser(f"~{_user()}")) / ".cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    (pytester.path / "tiny.tflite").write_bytes(tiny_model.read_bytes())
    settings('model = "tiny.tflite"\nboard = "stm32"\n', pytester.path)
    return pytester


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def settings(text: str, folder: Path) -> None:
    (folder / "tinyc.toml").write_text(text)


def outcomes(repository: pytest.Pytester, *options: str) -> pytest.RunResult:
    # Hypothesis would be loaded anew for each of these runs, which takes seconds.
    quick = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    return repository.runpytest_inprocess(*PLUGIN, *quick, *options)


def test_a_firmware_computes_what_the_reference_does(repository: pytest.Pytester) -> None:
    repository.makepyfile(
        """
        import numpy as np

        rng = np.random.default_rng(0)
        x = rng.integers(-128, 128, (20, 4, 4, 2), np.int8)

        def test_outputs(tinyc_firmware):
            y = tinyc_firmware.run(x)
            assert y.dtype == np.int8 and y.shape == (20, 3)
            assert np.array_equal(y, tinyc_firmware.reference(x))
            assert len({row.tobytes() for row in y}) > 1

        def test_scores_are_real_numbers(tinyc_firmware):
            scores = tinyc_firmware.scores(x)  # scale 0.4, zero point 5
            assert scores.dtype == np.float32
            expected = 0.4 * (tinyc_firmware.run(x).astype(np.float64) - 5)
            assert np.allclose(scores, expected)

        def test_floats_are_quantized(tinyc_firmware):
            real = 0.05 * (x.astype(np.float64) + 3)  # scale 0.05, zero point -3
            assert np.array_equal(tinyc_firmware.run(real), tinyc_firmware.run(x))

        def test_costs(tinyc_firmware):
            tinyc_firmware.run(x[:1])
            trace = tinyc_firmware.trace
            assert 1000 < trace.instructions <= trace.cycles
            assert 0 < trace.stack_bytes < 1024  # that of the harness
            assert tinyc_firmware.stack_bytes < tinyc_firmware.ram_bytes
            assert tinyc_firmware.flash_bytes > 3 * 64
            assert tinyc_firmware.report["flash_bytes"] == tinyc_firmware.flash_bytes

        def test_names(tinyc_firmware):
            assert repr(tinyc_firmware) == "<firmware tiny on {} in unicorn>".format(
                tinyc_firmware.board
            )
        """
    )
    outcomes(repository).assert_outcomes(passed=5)
    left = {p.name for p in repository.path.iterdir()} - {"__pycache__"}
    assert left == {
        "tiny.tflite",
        "tinyc.toml",
        "test_a_firmware_computes_what_the_reference_does.py",
    }


@pytest.mark.slow
def test_each_model_and_board_is_built_once(
    repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:

    built = []
    linked = build._build

    def counted(*args):
        built.append(args[2:4])
        return linked(*args)

    monkeypatch.setattr(build, "_build", counted)
    repository.makepyfile(
        """
        import numpy as np
        import pytest

        x = np.zeros((1, 4, 4, 2), np.int8)

        @pytest.mark.parametrize("again", range(3))
        def test_again(tinyc_firmware, tinyc_build, again):
            tinyc_firmware.run(x)
            assert tinyc_build() is tinyc_firmware
            assert tinyc_build("tiny.tflite", seed=0) is tinyc_firmware
            other = tinyc_build(board="microbit")
            assert other is not tinyc_firmware and other is tinyc_build(board="microbit")
            assert other.run(x).tolist() == tinyc_firmware.run(x).tolist()
            assert other.board != tinyc_firmware.board
        """
    )
    outcomes(repository).assert_outcomes(passed=3)
    assert len(built) == 2


@pytest.mark.slow
def test_several_inputs_and_outputs(repository: pytest.Pytester) -> None:
    tensors = [TensorSpec(name, (1, 6), "int8", 0.1, 0) for name in ("a", "b", "sum", "max")]
    write_model(
        repository.path / "two.tflite",
        [("ADD", {}, [0, 1], [2]), ("MAXIMUM", {}, [0, 1], [3])],
        tensors,
        inputs=[0, 1],
        outputs=[2, 3],
    )
    repository.makepyfile(
        """
        import numpy as np

        def test_two(tinyc_build):
            two = tinyc_build("two.tflite")
            a, b = np.arange(12, dtype=np.int8).reshape(2, 6), np.full((2, 6), 4, np.int8)
            total, most = two.run(a, b)
            assert np.array_equal(total, a + b) and np.array_equal(most, np.maximum(a, b))
            for ours, truth in zip(two.run(a, b), two.reference(a, b), strict=True):
                assert np.array_equal(ours, truth)

        def test_by_name(tinyc_build):
            two = tinyc_build("two.tflite")
            assert two.inputs == ("a", "b") and two.outputs == ("sum", "max")
            a, b = np.arange(12, dtype=np.int8).reshape(2, 6), np.full((2, 6), 4, np.int8)
            found = two.run(b=b, a=a)
            assert np.array_equal(found.sum, a + b) and np.array_equal(found.max, np.maximum(a, b))
            assert np.array_equal(two.reference(b=b, a=a).max, found.max)
            assert np.array_equal(two.scores(b=b, a=a).sum, np.float32(0.1) * found.sum)

        def test_one_of_two(tinyc_build):
            tinyc_build("two.tflite").run(np.zeros((1, 6), np.int8))

        def test_a_wrong_name(tinyc_build):
            x = np.zeros((1, 6), np.int8)
            tinyc_build("two.tflite").run(a=x, c=x)
        """
    )
    result = outcomes(repository)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["E211 two: has no input 'c'; its inputs are a, b"])
    result.stdout.fnmatch_lines(["E211 two: takes 2 inputs (a, b), not 1; pass an array*"])


# Settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "variable", "ini", "expected"),
    [
        ((), None, None, "unicorn"),
        ((), None, "host", "host"),
        ((), "qemu", "host", "qemu"),
        (("--tinyc-emulator", "host"), "qemu", None, "host"),
        (("--tinyc-emulator=unicorn",), None, "host", "unicorn"),
    ],
)
def test_options_then_variables_then_ini(
    repository: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    variable: str | None,
    ini: str | None,
    expected: str,
) -> None:
    if variable:
        monkeypatch.setenv("TINYC_EMULATOR", variable)
    if ini:
        repository.makeini(f"[pytest]\ntinyc_emulator = {ini}\n")
    repository.makepyfile(
        f"def test_it(tinyc_firmware): assert tinyc_firmware.emulator == {expected!r}"
    )
    outcomes(repository, *options).assert_outcomes(passed=1)


def test_a_board_by_option(repository: pytest.Pytester) -> None:
    settings('model = "tiny.tflite"\nboard = "nope"\n', repository.path)
    repository.makepyfile("def test_it(tinyc_firmware): assert tinyc_firmware.board == 'microbit'")
    outcomes(repository, "--tinyc-board", "microbit").assert_outcomes(passed=1)
    result = outcomes(repository)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E204 board 'nope': there is no such board*"])
    result.stdout.no_fnmatch_line("During handling of*")  # one line, once


def test_settings_lie_in_a_folder_below(
    repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = repository.path / "firmware"
    below.mkdir()
    for name in ("tiny.tflite", "tinyc.toml"):
        (repository.path / name).rename(below / name)
    repository.makeini("[pytest]")
    test = below / "test_it.py"
    test.write_text("def test_it(tinyc_firmware): assert tinyc_firmware.model == 'tiny'")
    outcomes(repository).assert_outcomes(errors=1)
    outcomes(repository, "--tinyc-folder", "firmware").assert_outcomes(passed=1)
    repository.makeini("[pytest]\ntinyc_folder = firmware")
    outcomes(repository).assert_outcomes(passed=1)
    repository.makeini("[pytest]")
    monkeypatch.chdir(below)
    outcomes(repository).assert_outcomes(passed=1)


# Errors ------------------------------------------------------------------------------------


def test_errors_are_one_line(repository: pytest.Pytester) -> None:
    repository.makepyfile(
        """
        import numpy as np

        def test_shape(tinyc_firmware):
            tinyc_firmware.run(np.zeros((1, 4, 4), np.int8))

        def test_type(tinyc_firmware):
            tinyc_firmware.reference(np.zeros((1, 4, 4, 2), np.uint8))

        def test_trace(tinyc_firmware):
            tinyc_firmware.trace

        def test_file(tinyc_build):
            tinyc_build("absent.tflite")

        def test_key(tinyc_build):
            tinyc_build(bord="stm32")
        """
    )
    result = outcomes(repository)
    result.assert_outcomes(failed=5)
    result.stdout.fnmatch_lines(
        [
            "E212 tiny: x: has shape [[]1, 4, 4[]]; the model takes [[]n, 4, 4, 2[]]",
            "E213 tiny: x: has dtype uint8; the model's input is int8 or float, of real numbers *",
            "there is no trace yet: call run(inputs) first",
            "E202 *absent.tflite*",
            "E208 *unknown key 'bord'; did you mean 'board'?",
        ]
    )
    assert "Traceback" not in result.stdout.str() and "pytest_plugin.py" not in result.stdout.str()


def test_no_settings(repository: pytest.Pytester) -> None:
    (repository.path / "tinyc.toml").unlink()
    repository.makepyfile("def test_it(tinyc_firmware): pass")
    result = outcomes(repository)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E201 tinyc_build: no model is named; tinyc_build(*tinyc.toml"])
    result = outcomes(repository, "--tinyc-board", "stm32")
    result.assert_outcomes(errors=1)


@pytest.mark.slow
def test_a_missing_tool_skips(repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.makepyfile(
        """
        import numpy as np

        def test_it(tinyc_build):
            firmware = tinyc_build(emulator="qemu", toolchain="clang")
            firmware.run(np.zeros((1, 4, 4, 2), np.int8))
        """
    )
    monkeypatch.setenv("PATH", str(repository.path))
    result = outcomes(repository, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*E704 qemu-system-arm: is not on PATH*"])


# Other people's tests ----------------------------------------------------------------------


def test_unused_it_is_silent_and_loads_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded(request):
            ours = {m for m in sys.modules if m.partition(".")[0] == "tinyc"}
            assert ours == {"tinyc", "tinyc.errors", "tinyc.pytest_plugin"}
            assert not {"numpy", "pydantic", "typer", "rich", "jinja2"} & set(sys.modules)
            assert not [name for name in request.fixturenames if "tinyc" in name]
        """
    )
    alone = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # The module itself, so that only what pytest and it load is there.
    result = pytester.run(*alone, "-p", "tinyc.pytest_plugin")
    result.assert_outcomes(passed=1)
    assert "tinyc" not in result.stdout.str().replace(str(ROOT), "")
    assert not result.stderr.str().strip()


def test_the_package_registers_it() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"tinyc": "tinyc.pytest_plugin"}
