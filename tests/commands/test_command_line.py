"""The command line's own manners: help, errors, exit statuses, `-w`."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from workbench.cli import COMMANDS
from workbench.commands.output import ends, number

ROOT = Path(__file__).parents[2]


def test_help_lists_every_command(rankbench: Any) -> None:
    result = rankbench("--help")
    assert result.code == 0
    for name, (_, line) in COMMANDS.items():
        assert re.search(rf"^  {re.escape(name)} +{re.escape(line)}$", result.out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, rankbench: Any) -> None:
    result = rankbench(name, "--help")
    assert result.code == 0
    assert f"Usage: rankbench {name}" in result.out
    command = importlib.import_module(f"workbench.commands.{COMMANDS[name][0]}").command
    assert command.name == name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name} has no help"


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_no_number_that_is_none_gets_in(workspace: Path, rankbench: Any, text: str) -> None:
    numbers = []
    for module, _ in COMMANDS.values():
        for option in importlib.import_module(f"workbench.commands.{module}").command.params:
            if isinstance(option.type, type(click.FLOAT)):
                numbers.append(option.opts[0])
                with pytest.raises(click.BadParameter):
                    option.type.convert(text, option, None)
    assert {"--weight", "--minutes"} <= set(numbers)
    asked = ["import", "judgments", workspace / "no.csv", "--weight", text, "-w", workspace]
    rankbench(*asked).assert_error(2, "--weight")
    asked = ["sweep", "--recipe", "adapter", "--minutes", text, "-w", workspace]
    rankbench(*asked).assert_error(2, "--minutes")


def test_no_command_is_a_stranger() -> None:
    files = {path.stem for path in (ROOT / "workbench" / "commands").glob("*.py")}
    with_command = {
        name
        for name in files - {"__init__"}
        if hasattr(importlib.import_module(f"workbench.commands.{name}"), "command")
    }
    assert with_command == {module for module, _ in COMMANDS.values()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["search"],
        ["search", "tent", "-k", "0"],
        ["search", "tent", "--colour"],
        ["eval", "--split", "holdout"],
        ["train", "--source", "dreams"],
        ["export", "dreams", "x.csv"],
        ["import", "dreams", "x.csv"],
        ["init"],
        ["init", "somewhere"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_two_lines_and_exit_2(arguments: list[str], rankbench: Any) -> None:
    rankbench(*arguments).assert_error(2)


def test_an_unexpected_error_is_two_lines_and_names_its_log(
    rankbench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("RANKBENCH_DEBUG", raising=False)

    def fail(*_: object) -> None:
        raise ValueError("a [/] strange\nthing")

    monkeypatch.setattr("workbench.commands.options.open_workspace", fail)
    result = rankbench("search", "tent", "-w", tmp_path)
    result.assert_error(1, "ValueError: a [/] strange", "last-error.log")
    monkeypatch.setenv("RANKBENCH_DEBUG", "1")
    assert "Traceback" in rankbench("search", "tent", "-w", tmp_path).err


def test_ctrl_c_is_quiet_and_exits_130(
    rankbench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.commands.options.open_workspace", interrupt)
    result = rankbench("search", "tent", "-w", tmp_path)
    assert (result.code, result.out, result.err.strip()) == (130, "", "")


def test_a_reader_that_leaves_is_no_error(made: Path) -> None:
    command = f"{sys.executable} -m workbench search tent -w {made} --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("{", "")


def test_the_workspace_is_named_before_or_after(made: Path, rankbench: Any) -> None:
    before = rankbench("-w", made, "encoders", "--json")
    after = rankbench("encoders", "--json", "-w", made)
    assert before.code == after.code == 0
    assert before.json == after.json


def test_the_current_directory_is_the_workspace_if_it_is_one(
    made: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    assert rankbench("encoders", "--json").code == 0


def test_a_directory_that_is_no_workspace_says_so(
    tmp_path: Path, rankbench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rankbench("search", "tent", "-w", tmp_path).assert_error(1, "not a Rankbench workspace")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    rankbench("search", "tent").assert_error(1, "not a Rankbench workspace", "init")


def test_a_newer_workspace_is_left_alone(workspace: Path, rankbench: Any) -> None:
    settings = workspace / "workspace.toml"
    newer = re.sub(r"version = \d+", "version = 99", settings.read_text())
    settings.write_text(newer)
    rankbench("search", "tent", "-w", workspace).assert_error(1, "newer")
    assert settings.read_text() == newer


def test_the_app_asks_for_a_terminal(made: Path, rankbench_process: Any) -> None:
    result = rankbench_process("-w", made, stdin=subprocess.DEVNULL)
    result.assert_error(1, "terminal")


def test_shells_complete_commands(rankbench_process: Any) -> None:
    environment = {
        **os.environ,
        "_RANKBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "rankbench se",
        "COMP_CWORD": "1",
    }
    assert "search" in rankbench_process(env=environment).out


def test_what_rounds_to_zero_has_no_minus() -> None:
    tiny = -0.00001
    assert [number(tiny), number(tiny, sign=True), number(0.0, 3, True)] == [
        "0.0000", "±0.0000", "±0.000",
    ]  # fmt: skip
    assert [number(-0.0004, sign=True), number(0.5, sign=True)] == ["-0.0004", "+0.5000"]
    # The end of an interval keeps the sign that says whether zero is inside.
    assert ends(tiny, -tiny, 30) == "-0.00001 to +0.00001"


def test_the_encoders_there_are_stand_in_order(workspace: Path, rankbench: Any) -> None:
    for name in ("zeta", "alpha"):
        shutil.copytree(workspace / "encoders" / "base", workspace / "encoders" / name)
    told = rankbench("index", "-w", workspace, "--encoder", "nosuch")
    told.assert_error(1, "There are: alpha, base, zeta;")
