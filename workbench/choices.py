"""What a person chooses in the app, kept in the workspace's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.workspace import Settings, open_workspace
from workbench.searching import ComparerLike


def keep_choices(root: Path, values: Mapping[str, Any]) -> Callable[[ComparerLike], None]:
    """A task for the search thread: write `values` into the settings of the workspace `root`."""

    def save(_: ComparerLike) -> None:
        # Read again first: a command may have changed other settings meanwhile.
        current = open_workspace(root)
        settings: Settings = replace(current.settings, **values)
        if settings != current.settings:
            current.save(settings)

    return save
