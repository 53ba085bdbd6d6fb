"""What the README tells people to type exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click

from workbench.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands_named() -> list[tuple[str, list[str]]]:
    """(command, its options) of every `rankbench ...` in a code block or between backticks."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`\n]+)`", README)
    found = []
    for line in lines:
        for text in re.findall(r"(?:^|[ /$])rankbench ([^#|;&]*)", line):
            words = re.sub(r"^-w \S+ ", "", text).split()
            if words and re.fullmatch(r"[a-z]+", words[0]):
                found.append((words[0], [word for word in words if word.startswith("--")]))
    return found


def test_every_command_and_option_in_the_readme_exists() -> None:
    for name, options in commands_named():
        assert name in COMMANDS, f"README names rankbench {name}"
        command: click.Command = importlib.import_module(
            f"workbench.commands.{COMMANDS[name][0]}"
        ).command
        known = {text for parameter in command.params for text in parameter.opts} | {"--help"}
        for option in options:
            assert option.partition("=")[0] in known, f"README names {name} {option}"


def test_every_make_target_in_the_readme_and_in_help_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):(?!=)", makefile, flags=re.MULTILINE))
    in_code = "\n".join(re.findall(r"```[a-z]*\n(.*?)```", README, flags=re.DOTALL))
    in_code += "\n".join(re.findall(r"`([^`\n]+)`", README))
    named = re.findall(r"\bmake ([a-z]+)\b", in_code)
    named += re.findall(r'@echo "make ([a-z]+)', makefile)
    assert not set(named) - targets
