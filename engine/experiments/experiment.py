"""What a sweep tries and on what, and the file that keeps two of them apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.catalog.queries import JudgedQuery
from engine.encoders.fingerprint import fingerprint
from engine.errors import RankbenchError
from engine.experiments.search_space import Space
from engine.experiments.store import digest
from engine.training.examples import queries_hash
from engine.training.recipe import Recipe
from engine.training.rows import Products
from engine.training.train import BaseVectors
from engine.workspace import DEFAULT_GAINS, unwritable

_SETTINGS = "settings.json"
_FORMAT = 1
_WORDS = {
    "format": "another format",
    "base": "another base",
    "catalog": "another catalog or template",
    "training judgments": "other training judgments",
    "dev judgments": "other dev judgments",
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is tried, and on what.

    Attributes:
        recipe: its parameters are the first trial, and those that are not searched keep their
            value in every trial.
        texts: product id -> rendered text, the whole catalog.
        seed: of every trial's run, and of the search.
    """

    recipe: Recipe
    space: Space
    base_dir: Path
    train_queries: Sequence[JudgedQuery]
    dev_queries: Sequence[JudgedQuery]
    texts: Mapping[str, str]
    seed: int = 0
    base_vectors: BaseVectors | None = None
    gains: Mapping[str, float] = field(default_factory=lambda: DEFAULT_GAINS)
    products: Products = field(default_factory=Products)
    device: str | None = None

    def settings(self) -> dict[str, Any]:
        """What two runs must share to be one sweep, as JSON; a change of any makes it another."""
        recipe = self.recipe.to_json()["parameters"]
        recipe.pop("seed", None)
        return {
            "format": _FORMAT,
            "loss": self.recipe.loss,
            "recipe": recipe,
            "space": {item.key: item.text for item in self.space},
            "seed": self.seed,
            "base": fingerprint(self.base_dir),
            "catalog": digest([sorted(self.texts.items()), asdict(self.products)]),
            "training judgments": queries_hash(self.train_queries),
            "dev judgments": queries_hash(self.dev_queries),
            "gains": dict(self.gains),
        }

    def defaults(self) -> dict[str, Any]:
        """The recipe's own values of what is searched."""
        return {item.key: self.recipe[item.key] for item in self.space}


def directory_name(experiment: Experiment) -> str:
    """Where a sweep lies unless a name was given: another experiment, another name."""
    return f"{experiment.recipe.name}-{digest(experiment.settings())[:8]}"


def check_settings(directory: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a new sweep, or compare them with those it was begun with.

    Raises:
        RankbenchError: they differ, or cannot be read or written.
    """
    path = directory / _SETTINGS
    plain = json.loads(json.dumps(settings))
    try:
        if not path.is_file():
            beside = path.with_suffix(".tmp")
            beside.write_text(json.dumps(plain, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            beside.replace(path)
            return
        known = json.loads(path.read_text(encoding="utf-8"))
        found = list(_differences(known, plain))
    except (ValueError, AttributeError):
        raise RankbenchError(f"{path} cannot be read.", "Remove it, and start anew.") from None
    except OSError as error:
        raise unwritable(directory, error) from None
    if found:
        raise RankbenchError(
            f"{directory} holds another sweep: {'; '.join(found)}.",
            "Give this one another `--name`, or remove that directory.",
        )


def _differences(known: Mapping[str, Any], settings: Mapping[str, Any], of: str = "") -> list[str]:
    """What differs, in words."""
    found = []
    for key in dict.fromkeys([*settings, *known]):
        before, now = known.get(key), settings.get(key)
        if before == now:
            continue
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += _differences(before, now, f"{key} ")
        elif key in _WORDS:
            found.append(_WORDS[key])
        else:
            words = [("none" if value is None else str(value)) for value in (before, now)]
            found.append(f"{of}{key} was {words[0]}, now {words[1]}")
    return found
