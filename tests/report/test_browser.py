"""Pages in headless Chromium: no error, no request, nothing cut at 390 px, nothing that axe-core
calls serious. Skipped where Chromium is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import DATA, ROOT

import tinyc
from tinyc.deploy import browser
from tinyc.errors import CompileError
from tinyc.report.html import page

pytestmark = pytest.mark.slow
PHONE, DESK = 390, 1200


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    try:
        program = browser.headless()
    except CompileError as error:
        pytest.skip(str(error))
    with sync_api.sync_playwright() as playwright:
        one = playwright.chromium.launch(
            executable_path=program, args=[*browser.QUIET, "--no-sandbox"]
        )
        yield one
        one.close()


def _model(name: str) -> Path:
    path = DATA / "mlperf-tiny" / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return path


def kws() -> Any:
    firmware = tinyc.compile(_model("kws"), "nucleo_l4r5zi", min_accuracy=0.5, samples=24)
    firmware.test(_model("kws").parent.parent / "kws01" / "kws01.npz")
    firmware.profile()
    return firmware


def vww() -> Any:
    firmware = tinyc.compile(_model("vww"), "nucleo_l4r5zi", samples=2)
    firmware.test()
    firmware.profile()
    return firmware


def ad() -> Any:
    firmware = tinyc.compile(_model("ad"), "stm32f746g_disco", samples=8)
    firmware.test()
    return firmware


def binary() -> Any:
    firmware = tinyc.compile(
        ROOT / "recipes" / "cifar10-bnn.tflite", "nucleo_h753zi", float_glue=True, samples=1
    )
    firmware.test()
    firmware.profile()
    return firmware


def failing() -> Any:
    firmware = tinyc.compile(_model("kws"), "stm32f4_discovery", max_flash=30_000, max_ram=8_000)
    firmware.profile()
    return firmware


MADE = {make.__name__: make for make in (kws, vww, ad, binary, failing)}


@contextmanager
def opened(
    chromium: Any, text: Path, width: int, scheme: str = "light"
) -> Iterator[tuple[Any, list[str]]]:
    """The page in a window of that width, and what went wrong or was asked for."""
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    shown, heard = context.new_page(), list[str]()
    shown.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    shown.on("pageerror", lambda error: heard.append(f"error: {error}"))
    shown.on("request", lambda request: heard.append(request.url))
    shown.goto(text.as_uri())
    heard.remove(text.as_uri())
    yield shown, [one for one in heard if not one.startswith("data:")]
    context.close()


@pytest.mark.parametrize("name", MADE)
def test_a_page_in_a_browser(name: str, chromium: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    firmware = MADE[name]()
    _ = firmware.sizes
    path = tmp_path / "report.html"
    path.write_text(page(firmware.sections, firmware.verdicts()), encoding="utf-8")
    assert path.stat().st_size < 600_000
    for width, scheme in ((PHONE, "light"), (PHONE, "dark"), (DESK, "light")):
        with opened(chromium, path, width, scheme) as (shown, heard):
            assert heard == []
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.Axe().run(shown).response["violations"]
            worst = [v for v in found if v["impact"] in ("serious", "critical")]
            assert not worst, [(v["id"], v["nodes"][0]["html"]) for v in worst]
            drawings = shown.locator("svg:not([aria-hidden])")
            for i in range(drawings.count()):
                assert drawings.nth(i).get_attribute("role") == "img"
                assert len(drawings.nth(i).get_attribute("aria-label") or "") > 20
            if width == DESK:
                verdict = shown.locator("header .badge").inner_text()
                assert verdict == ("FAIL" if name == "failing" else "pass")
                before = shown.locator("#drawing").bounding_box()["width"]
                shown.get_by_role("button", name="larger").click()
                assert shown.locator("#drawing").bounding_box()["width"] > before


def test_a_page_is_printed(tmp_path: Path) -> None:
    try:
        browser.headless()
    except CompileError as error:
        pytest.skip(str(error))
    source, pdf = tmp_path / "page.html", tmp_path / "page.pdf"
    source.write_text("<!doctype html><title>x</title><details><p>inside</details>")
    browser.to_pdf(source, pdf)
    assert pdf.read_bytes().startswith(b"%PDF")
