"""Verdicts as JUnit's XML, which every continuous integration reads."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from .verdicts import Verdict


def junit(suite: str, checks: Sequence[Verdict]) -> str:
    """The verdicts as one JUnit test suite."""
    failures = sum(check.error is not None for check in checks)
    root = ET.Element(
        "testsuite", name=suite, tests=str(len(checks)), failures=str(failures), errors="0"
    )
    for check in checks:
        case = ET.SubElement(root, "testcase", classname=suite, name=check.name)
        if check.error is not None:
            ET.SubElement(case, "failure", type=check.error.id, message=str(check.error))
        ET.SubElement(case, "system-out").text = check.detail
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
