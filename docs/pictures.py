"""`make pictures`: pictures of reports for these pages, in docs/pictures/.

Needs Chromium, what `pip install 'tinyc[browser]'` brings, and the models of MLPerf Tiny in the
folder that TINYC_DATA names.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import tinyc
from tinyc.deploy import browser

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("TINYC_DATA", ROOT.parent / "shared" / "data"))
OUT = ROOT / "docs" / "pictures"
LARGEST = 60_000
"""Bytes of a picture."""
DESK, PHONE = (1000, 640), (390, 780)
"""Width and height of the windows, in pixels of the page; no picture is higher."""


def kws() -> tinyc.Firmware:
    firmware = tinyc.compile(
        DATA / "mlperf-tiny/kws.tflite", "nucleo_l4r5zi", min_accuracy=0.85, samples=100
    )
    firmware.test("kws01/kws01.npz")
    firmware.profile()
    return firmware


def ad() -> tinyc.Firmware:
    firmware = tinyc.compile(DATA / "mlperf-tiny/ad.tflite", "stm32f746g_disco", samples=8)
    firmware.test()
    firmware.profile()
    return firmware


def vww() -> tinyc.Firmware:
    firmware = tinyc.compile(DATA / "mlperf-tiny/vww.tflite", "nucleo_l4r5zi", samples=1)
    firmware.test()
    firmware.profile()
    return firmware


def binary() -> tinyc.Firmware:
    path = ROOT / "recipes/cifar10-bnn.tflite"
    firmware = tinyc.compile(path, "nucleo_h753zi", samples=1, float_glue=True)
    firmware.test()
    return firmware


def failing() -> tinyc.Firmware:
    firmware = tinyc.compile(
        DATA / "mlperf-tiny/kws.tflite", "stm32f4_discovery", max_flash=30_000, max_ram=8_000
    )
    firmware.profile()
    return firmware


SHOTS: dict[str, tuple[Callable[[], tinyc.Firmware], str, tuple[int, int]]] = {
    "report-kws": (kws, "", DESK),
    "report-kws-time": (kws, "time", DESK),
    "report-kws-memory": (kws, "memory", DESK),
    "report-kws-outputs": (kws, "outputs", DESK),
    "report-kws-phone": (kws, "", PHONE),
    "report-vww-memory": (vww, "memory", DESK),
    "report-binary-weights": (binary, "weights", DESK),
    "report-ad-weights": (ad, "weights", DESK),
    "report-ad-graph": (ad, "graph", DESK),
    "report-failing": (failing, "", DESK),
}
"""Name of the picture -> the build, the part of its report, or "" for all up to the verdict, the
window."""


def shot(chromium: Browser, page: Path, part: str, size: tuple[int, int]) -> bytes:
    """A PNG with a palette of what a window shows."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="light", offline=True
    )
    shown = context.new_page()
    shown.goto(page.as_uri())
    box = shown.locator(f"section[aria-labelledby={part or 'verdict'}]").bounding_box()
    assert box is not None
    top = box["y"] - 8 if part else 0
    height = min(box["y"] + box["height"] + 8 - top, size[1])
    clip = {"x": 0, "y": top, "width": size[0], "height": height}
    image = Image.open(io.BytesIO(shown.screenshot(clip=clip, full_page=True)))
    context.close()
    out = io.BytesIO()
    few = image.convert("RGB").quantize(
        96, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    os.chdir(DATA)  # pages tell the paths of data as they were given
    made: dict[Callable[[], tinyc.Firmware], Path] = {}
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser.headless(), args=[*browser.QUIET, "--no-sandbox"]
        )
        for name, (make, part, size) in SHOTS.items():
            if make not in made:
                made[make] = Path(folder) / f"{make.__name__}.html"
                firmware = make()
                _ = firmware.sizes
                firmware.report(made[make])
            picture = shot(chromium, made[make], part, size)
            if len(picture) > LARGEST:
                sys.exit(f"{name}: {len(picture):,} bytes, more than {LARGEST:,}")
            (OUT / f"{name}.png").write_bytes(picture)
            print(f"{name}.png  {len(picture):,} bytes")
        chromium.close()


if __name__ == "__main__":
    main()
