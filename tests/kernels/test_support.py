"""The files of ``firmware/kernels/`` in one header."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

from tinyc.kernels.support import BASE, needed, text

KERNELS = ROOT / "firmware" / "kernels"
FILES = sorted(f.name for f in KERNELS.glob("*.h"))


@pytest.mark.parametrize("name", FILES)
def test_a_file_comes_behind_what_it_includes(name: str) -> None:
    found = needed([name])
    assert found[0] == BASE and found[-1] == name and len(set(found)) == len(found)
    for place, file in enumerate(found):
        contents = (KERNELS / file).read_text()
        assert set(re.findall(r'#include "(.+)"', contents)) <= set(found[:place])


def test_each_stands_once_in_the_order_of_need() -> None:
    both = needed(["tinyc_hybrid.h", "tinyc_requant.h", "tinyc_hybrid.h"])
    assert sorted(both) == sorted({*needed(["tinyc_hybrid.h"]), *needed(["tinyc_requant.h"])})
    assert needed([]) == (BASE,)


@pytest.mark.parametrize("name", FILES)
def test_no_guard_and_no_neighbour_is_left(name: str) -> None:
    body = text(name)
    assert body == body.strip() and "\n\n\n" not in body
    assert '#include "' not in body and not re.search(r"#\w+ TINYC_\w+_H\b", body)
    assert len(re.findall(r"^#if", body, re.M)) == len(re.findall(r"^#endif", body, re.M))


def check_syntax(folder: Path, *files: str) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no host gcc found")
    strict = "-std=c99 -Wall -Wextra -Wconversion -Wshadow -Wdouble-promotion -Werror".split()
    ran = subprocess.run(
        [gcc, *strict, "-fsyntax-only", "-I", str(KERNELS), "-x", "c", *files],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[:2000]


def test_they_stand_side_by_side(tmp_path: Path) -> None:
    """No two files give something the same name."""
    (tmp_path / "all.c").write_text("".join(f'#include "{name}"\n' for name in FILES))
    check_syntax(tmp_path, "all.c")


@pytest.mark.slow
def test_each_includes_all_that_it_needs() -> None:
    check_syntax(KERNELS, *FILES)
