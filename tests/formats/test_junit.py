"""JUnit XML as pipelines read it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from engine.errors import RankbenchError
from engine.formats.junit import TestCase, write_junit

HOSTILE = "<script>&\"' \x00\x1b[31m[/] \ud800\ufffe ]]> 日本 \U0001f600"
SHOWN = "<script>&\"' [31m[/]  ]]> 日本 \U0001f600"
# What the xUnit schema of Jenkins allows, which the other consumers read too.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "time", "tests", "failures", "errors", "skipped", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "property": {"name", "value"},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "system-out"},
}


def test_the_shape_and_the_counts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "gate.xml"
    cases = [TestCase("a", "one", "out"), TestCase("a", "two", "out", "why"), TestCase("b", "x")]
    write_junit(path, "s", cases, {"k": "v"}, 1.5, "2026-01-01T00:00:00+00:00")
    root = ET.parse(path).getroot()
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set()), element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    for element in (root, root[0]):
        counts = [element.get(name) for name in ("tests", "failures", "errors", "time")]
        assert counts == ["3", "1", "0", "1.500"]
    assert [case.get("name") for case in root.iter("testcase")] == ["one", "two", "x"]
    (failure,) = root.iter("failure")
    assert (failure.get("message"), failure.text) == ("why", "why")


def test_any_text_is_legal_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "gate.xml"
    write_junit(path, HOSTILE, [TestCase(HOSTILE, HOSTILE, HOSTILE, HOSTILE)], {"k": HOSTILE}, 0)
    root = ET.parse(path).getroot()
    case = next(root.iter("testcase"))
    assert case.get("name") == case.get("classname") == root[0].get("name") == SHOWN
    assert case.find("failure").text == case.find("system-out").text == SHOWN


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RankbenchError, match="Cannot write"):
        write_junit(tmp_path / "file" / "gate.xml", "s", [], {}, 0)
