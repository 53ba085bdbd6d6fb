"""JUnit XML: what pipelines show as tests."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.formats.writing import write_lines

# Outside of `Char` of XML 1.0: no escape makes them legal.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test; `failure` is why it failed, "" where it passed, `output` what it measured."""

    __test__ = False  # for pytest

    classname: str
    name: str
    output: str = ""
    failure: str = ""


def write_junit(
    path: Path,
    name: str,
    cases: Sequence[TestCase],
    properties: Mapping[str, str],
    seconds: float,
    timestamp: str = "",
) -> None:
    """Write one suite, in the elements and attributes that the common consumers' schemas share.

    Characters that XML cannot carry are left out.

    Args:
        seconds: of the whole suite; its cases share one measurement and have 0 each.
        timestamp: when it began, ISO 8601.

    Raises:
        RankbenchError: the file cannot be written.
    """
    failures = sum(bool(case.failure) for case in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    counts["time"] = f"{seconds:.3f}"
    root = ET.Element("testsuites", {"name": "rankbench", **counts})
    told = {"skipped": "0", **({"timestamp": timestamp} if timestamp else {})}
    suite = ET.SubElement(root, "testsuite", {"name": _legal(name), **counts, **told})
    held = ET.SubElement(suite, "properties")
    for key, value in properties.items():
        ET.SubElement(held, "property", {"name": _legal(key), "value": _legal(value)})
    for case in cases:
        about = {"classname": _legal(case.classname), "name": _legal(case.name), "time": "0.000"}
        element = ET.SubElement(suite, "testcase", about)
        if case.failure:
            failed = {"type": "failed", "message": _legal(case.failure)}
            ET.SubElement(element, "failure", failed).text = _legal(case.failure)
        if case.output:
            ET.SubElement(element, "system-out").text = _legal(case.output)
    ET.indent(root)
    header = '<?xml version="1.0" encoding="UTF-8"?>\n'
    write_lines(path, [header, ET.tostring(root, encoding="unicode"), "\n"])


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)
