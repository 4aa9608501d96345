"""Where compiled helpers are kept: nothing that another user may have put there is loaded."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("platformdirs", reason="platformdirs is not installed: make setup")

from tinyc.run import native
from tinyc.target import toolchain
from tinyc.target.toolchain import cache_folder

OTHER = 12345
SOURCE = "int answer(void) { return 42; }\n"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and a temporary folder of their own; the latter as all share it."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "home").mkdir(mode=0o755)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    toolchain._passing_folder.cache_clear()
    native.shared_library.cache_clear()
    yield tmp_path
    toolchain._passing_folder.cache_clear()
    native.shared_library.cache_clear()


def test_the_usual_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache_folder()
    assert folder == place / "home" / ".cache" / "tinyc" and folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "own"))
    assert cache_folder() == place / "own" / "tinyc"
    (place / "link").symlink_to("own")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "link"))
    assert cache_folder() == place / "own" / "tinyc"


def spoilt(place: Path, how: str) -> None:
    """Make ``own/tinyc``, where the cache is to be, one that is not to be trusted."""
    folder = place / "own" / "tinyc"
    if how == "a link":
        (place / "others").mkdir(mode=0o700, exist_ok=True)
        folder.parent.mkdir()
        folder.symlink_to(place / "others")
    elif how == "a file":
        folder.parent.mkdir()
        folder.write_text("")
    elif how != "nothing":
        folder.mkdir(parents=True, mode=0o700)
    modes = {"all may write": (folder, 0o777), "a group may write": (folder, 0o770)}
    modes["all may write above"] = (folder.parent, 0o777)
    if how in modes:
        path, mode = modes[how]
        path.chmod(mode)
    if how == "another's":
        os.chown(folder, OTHER, OTHER)
    if how == "another's above":
        os.chown(folder.parent, OTHER, OTHER)


@pytest.mark.parametrize(
    "how",
    [
        "a link", "a file", "all may write", "a group may write", "all may write above",
        pytest.param("another's", marks=as_root), pytest.param("another's above", marks=as_root),
    ],
)  # fmt: skip
def test_a_folder_that_others_can_write_is_left_alone(
    place: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt(place, how)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "own"))
    folder = cache_folder()
    assert folder == place / "tmp" / f"tinyc-{os.geteuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    # The same in the temporary folder: a new one, which is the same to its end.
    folder.rmdir()
    (place / "own").rename(place / "before")
    spoilt(place, how if "above" not in how else "all may write")
    (place / "own" / "tinyc").rename(folder)
    if how == "another's" or how == "a link":
        assert folder.is_symlink() or folder.stat().st_uid == OTHER
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    fresh = cache_folder()
    assert fresh.parent == place / "tmp" and fresh != folder
    assert fresh.stat().st_mode & 0o777 == 0o700 and fresh == cache_folder()


def test_without_a_home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # a user whom the system does not know
    assert cache_folder() == place / "tmp" / f"tinyc-{os.geteuid()}"


def test_no_relative_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CACHE_HOME", "own")
    assert cache_folder().is_absolute() and not (place / "own").exists()


@pytest.mark.parametrize(
    "how", ["all may write", "a link", pytest.param("another's", marks=as_root)]
)
def test_a_planted_helper_is_not_loaded(
    place: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = place / "helper.c"
    source.write_text(SOURCE)
    kept = native.shared_library(source)
    right = kept.read_bytes()
    assert kept.parent == cache_folder() and kept.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in kept.parent.iterdir() if p.suffix] == [kept.name]
    kept.write_bytes(b"planted")
    native.shared_library.cache_clear()
    assert native.shared_library(source).read_bytes() == b"planted"  # by the user: trusted
    if how == "a link":
        (place / "planted").write_bytes(b"planted")
        kept.unlink()
        kept.symlink_to(place / "planted")
    elif how == "another's":
        os.chown(kept, OTHER, OTHER)
    else:
        kept.chmod(0o666)
    native.shared_library.cache_clear()
    assert native.shared_library(source).read_bytes()[:4] == right[:4] == b"\x7fELF"
    assert not kept.is_symlink() and kept.stat().st_uid == os.geteuid()
