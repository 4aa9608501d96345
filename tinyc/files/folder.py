"""Folders that tinyc makes: each takes its place whole, and a mark in it tells what tinyc wrote.

What has no such mark is the user's and is never replaced; what the user put into a folder of
tinyc's moves on into the one that takes its place.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from .. import __version__
from ..errors import CompileError, disk_error

MARK = ".tinyc"
"""The file that makes a folder tinyc's: JSON with ``tool``, ``version``, ``kind``, the ``model``
it is of, as a path from the folder's parent, and ``files``: path -> SHA-256, as it was written."""

PARTS = ("renode", "report", "verify")
"""Folders within a build that have a mark of their own, and go with the build."""

_EXCHANGE = 2  # RENAME_EXCHANGE of Linux, include/uapi/linux/fs.h
_AT_FDCWD = -100


@contextlib.contextmanager
def replacing(out: Path, kind: str, model: str | None = None) -> Iterator[Path]:
    """A new folder beside ``out`` whose place it takes at the end, with what the user has put
    there; after an exception ``out`` is as it was. Several may do this at once, and any of them
    may be killed: ``out`` is always the folder of one of them, and what a dead one left beside
    it goes away with the next.

    kind: what is made; model: the path of what it is made from, which has to be the same each
    time. Raises CompileError E235 (``out`` is not tinyc's), E236 (it is of another model), E237
    (a file of the user's has the name of one that tinyc writes), E8xx (the disk).
    """
    out = Path(os.path.realpath(out))
    try:
        make_folder(out.parent)
        model = _from(out.parent, model)
        with contextlib.ExitStack() as alive:
            with held(out):
                _recover(out)
                _check(out, kind, model)
                work = out.with_name(f".{out.name}.{secrets.token_hex(8)}.tmp")
                work.mkdir()
                alive.callback(shutil.rmtree, work, ignore_errors=True)
                alive.enter_context(_locked(work))
            yield work
            mark(work, kind, _files(work), model)
            with held(out):
                _check(out, kind, model)
                _swap(out, work)
    except OSError as error:
        raise disk_error(error, str(out)) from None


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, where they are missing. Raises OSError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Meanwhile no other process of tinyc replaces ``out`` or what lies beside it."""
    with _locked(Path(os.path.realpath(out)).parent):
        yield


def mark(folder: Path, kind: str, files: Iterable[str], model: str | None = None) -> None:
    """Write `MARK` into ``folder``: of what is in it, ``files`` are tinyc's."""
    digests = {path: digest((folder / path).read_bytes()) for path in files}
    with written(folder / MARK) as file:
        file.write(mark_of(kind, digests, model))


def mark_of(kind: str, digests: Mapping[str, str], model: str | None = None) -> bytes:
    """The contents of a mark. digests: path -> `digest`, of each file."""
    facts = {
        "tool": "tinyc", "version": __version__, "kind": kind, "model": model,
        "files": dict(sorted(digests.items())),
    }  # fmt: skip
    return (json.dumps(facts, indent=2) + "\n").encode()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_mark(folder: Path) -> Mapping[str, Any] | None:
    """What `mark` wrote; None if ``folder`` has no mark of tinyc's."""
    try:
        if not stat.S_ISREG((folder / MARK).lstat().st_mode):
            return None
        found = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(found, dict) and found.get("tool") == "tinyc"
    return found if known and isinstance(found.get("files"), dict) else None


@contextlib.contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` when the block ends well."""
    make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(fresh, "xb") as file:
            yield file
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


# What is whose -----------------------------------------------------------------------------


def _check(out: Path, kind: str, model: str | None) -> None:
    """Raise CompileError E235, E236 or an OSError if ``out`` is not to be replaced."""
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is a file", str(out))
    if Path(os.path.realpath(os.curdir)).is_relative_to(out):
        what = "is the folder that you are in, or holds it, and would be replaced beneath you"
        raise CompileError("E235", str(out), what, "call from elsewhere, or choose another folder")
    made = read_mark(out)
    if made is None:
        if any(out.iterdir()):
            raise _refusal(out)
    elif made.get("kind") != kind:
        raise CompileError(
            "E235", _shown(out), f"is what `tinyc {made.get('kind')}` wrote, and no {kind}",
            "choose another --output-dir",
        )  # fmt: skip
    elif model is not None and made.get("model") not in (None, model):
        other = _shown(Path(os.path.normpath(out.parent / str(made["model"]))))
        raise CompileError(
            "E236", _shown(out), f"was made from {other}, which has the same name",
            "choose another --output-dir, rename one of the two, or delete that folder",
        )  # fmt: skip


def _refusal(out: Path) -> CompileError:
    # What every build and export of the versions without a mark had.
    older = any(out.glob("*/*.h")) and any((out / part).exists() for part in ("port", "README.md"))
    what = "has files and no mark of tinyc, which does not replace what it did not make"
    if older:
        what = "has no mark of tinyc; an older version may have made it"
    hint = "move it away, or delete it if nothing in it is yours, or choose another --output-dir"
    return CompileError("E235", _shown(out), what, hint)


def _from(parent: Path, model: str | None) -> str | None:
    """``model`` as a path from ``parent``: the same wherever the two lie together."""
    if model is None:
        return None
    folder, name = os.path.split(os.path.abspath(model))
    return os.path.relpath(os.path.join(os.path.realpath(folder), name), parent)


def _shown(path: Path) -> str:
    """From here, where it lies below; else in full."""
    here = Path(os.path.realpath(os.curdir))
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _files(folder: Path) -> list[str]:
    """The paths of all files in ``folder``."""
    return [
        Path(place, name).relative_to(folder).as_posix()
        for place, _, names in os.walk(folder)
        for name in names
    ]


def _foreign(folder: Path) -> Iterator[Path]:
    """The relative paths of what tinyc did not write into a folder of its own: folders, each
    before what is in it, files and links. Nothing for a folder without a mark."""
    made = read_mark(folder)
    if made is None:
        return
    files = {Path(path) for path in made["files"]}
    folders = {parent for path in files for parent in path.parents}
    queue = [Path()]
    while queue:
        place = queue.pop()
        for entry in os.scandir(folder / place):
            path = place / entry.name
            if path in files and not entry.is_dir(follow_symlinks=False):
                continue
            if not place.parts and (entry.name == MARK or _is_scrap(entry.name, files)):
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield path
            elif entry.name in PARTS and not place.parts and read_mark(folder / path):
                # A new build has its own; only what the user put there moves on, with the mark.
                if found := [path / below for below in _foreign(folder / path)]:
                    yield from (path, path / MARK, *found)
            else:
                if path not in folders:
                    yield path
                queue.append(path)


def _is_scrap(name: str, files: Iterable[Path]) -> bool:
    """Whether it is what a killed process left of writing one of ``files``, the mark or one of
    `PARTS`."""
    found = re.fullmatch(r"\.(.+?)\.(?:\w{8}|[0-9a-f]{16}\.(?:tmp|old))", name)
    return found is not None and found[1] in {MARK, *PARTS, *map(str, files)}


# How one takes the other's place -------------------------------------------------------------


def _swap(out: Path, work: Path) -> None:
    """Put ``work`` in the place of ``out``, or leave ``out`` as it was."""
    if not out.exists():
        work.rename(out)
        return
    _carry(out, work)
    if _exchange(out, work):
        _discard(work, out)
        return
    old = work.with_suffix(".old")
    out.rename(old)
    try:
        work.rename(out)
    except BaseException:
        old.rename(out)
        raise
    _discard(old, out)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system or the file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
        return False
    raise OSError(number, os.strerror(number), str(one))


def _carry(source: Path, target: Path) -> None:
    """Give ``target`` what of ``source`` is the user's, which stays there as well: whenever a
    process is killed, one of the two that has it is in place."""
    for path in _foreign(source):
        there = target / path
        is_folder = _is_folder(source / path)
        if is_folder and _is_folder(there):
            continue
        if os.path.lexists(there):
            raise CompileError(
                "E237", _shown(source / path), "is yours, and tinyc writes a file of that name",
                "move it away",
            )  # fmt: skip
        there.parent.mkdir(parents=True, exist_ok=True)
        if is_folder:
            there.mkdir()
            shutil.copymode(source / path, there)
        else:
            _link(source / path, there)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without links
        shutil.copy2(source, target, follow_symlinks=False)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _discard(tree: Path, out: Path) -> None:
    """Delete a folder of tinyc's that ``out`` has replaced, less what came into it since
    `_carry`: that is moved."""
    with contextlib.suppress(OSError):
        for path in list(_foreign(tree)):
            if not os.path.lexists(out / path):
                (out / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).rename(out / path)
        (tree / MARK).unlink(missing_ok=True)
        shutil.rmtree(tree, ignore_errors=True)


def _recover(out: Path) -> None:
    """Clear away what killed processes left beside ``out``; `held` has to be."""
    ours = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{16}}\.(old|tmp)")
    names = sorted(filter(ours.fullmatch, os.listdir(out.parent)))
    left = [path for path in map(out.with_name, names) if _is_folder(path)]
    for path in left:
        if path.suffix == ".old" and not os.path.lexists(out):
            path.rename(out)
        elif path.suffix == ".old" or not _is_locked(path):
            _discard(path, out)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which ends with the process at the latest; without one where
    the file system has none."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_locked(folder: Path) -> bool:
    """Whether somebody holds its lock, as far as can be told."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
