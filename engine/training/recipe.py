"""A recipe: a named, validated set of parameters for one training run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError, UsageError
from engine.training.parameters import OPTIONAL, PARAMETERS, check_value, parse_value

LOSSES = (
    "infonce", "contrastive", "hard-negatives", "triplet", "cosine", "cosent", "listwise",
    "distill", "adapter", "flags",
)  # fmt: skip
DEFAULTS: Mapping[str, str] = {
    "judgments": "hard-negatives", "flags": "flags", "both": "flags", "log": "distill",
}  # fmt: skip
"""What is trained on -> the recipe where none is named. For judgments the one that came out best
where all were compared out of fold (README, "What was measured")."""
VERDICT_LOSSES = ("flags", "infonce", "triplet", "adapter")
"""Losses whose rows are a right and a wrong result: what a verdict gives."""
_HERE = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to tune an encoder.

    Attributes:
        name: as in `--recipe`.
        summary: one sentence for a list.
        loss: what it minimises, one of `LOSSES`.
        parameters: key -> int, float, text or tuple of floats; the keys are the ones it accepts,
            with those of `optional`.
    """

    name: str
    summary: str
    loss: str
    parameters: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.parameters[key]

    def get(self, key: str, default: Any) -> Any:
        """The parameter's value, `default` where the recipe has no such parameter."""
        return self.parameters.get(key, default)

    @property
    def optional(self) -> Mapping[str, Any]:
        """Parameters that it accepts and need not have, with what holds where they are not given:
        a run without them has the settings, and the hash of these, that it had before they were.
        """
        return OPTIONAL.get(self.loss, {})

    @property
    def sources(self) -> tuple[str, ...]:
        """What it can be trained on, its own first: "judgments", "flags", "both" or "log"."""
        if self.loss == "distill":
            return ("log",)
        if self.loss == "flags":
            return ("flags", "both", "judgments")
        if self.loss in VERDICT_LOSSES:
            return ("judgments", "flags", "both")
        return ("judgments",)

    def with_set(self, assignments: Sequence[str]) -> Recipe:
        """This recipe with `key=value` texts applied, later ones winning.

        Raises:
            UsageError: no `=`, a key the recipe does not have, or an impossible value.
        """
        values = dict(self.parameters)
        for text in assignments:
            key, sign, value = text.partition("=")
            key = key.strip()
            if not sign:
                raise UsageError(
                    f"--set {text}: not of the form key=value.", f"For example {_example(values)}."
                )
            if key not in values and key not in self.optional:
                accepted = sorted({*values, *self.optional})
                raise UsageError(
                    f"Recipe {self.name} has no parameter {key!r}.",
                    f"It accepts {', '.join(accepted)}.",
                )
            values[key] = parse_value(key, value.strip())
            if key in self.optional and values[key] == self.optional[key]:
                del values[key]
        return _fitting_together(replace(self, parameters=values))

    def to_json(self) -> dict[str, Any]:
        """`{name, summary, loss, parameters}` of plain JSON values."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in self.parameters.items()}
        return {
            "name": self.name,
            "summary": self.summary,
            "loss": self.loss,
            "parameters": values,
        }


def alphas(recipe: Recipe) -> list[float]:
    """The interpolations to score: the recipe's list and its own choice, without the base."""
    return sorted({a for a in (*recipe["alphas"], recipe["alpha"]) if a > 0})


def list_recipes() -> list[Recipe]:
    """The recipes that come with Rankbench, by name."""
    return [read_recipe(path) for path in sorted(_HERE.glob("*.toml"))]


def load_recipe(name: str) -> Recipe:
    """The recipe of that name, or of that `.toml` file.

    Raises:
        UsageError: there is none.
        RankbenchError: the file is not a recipe.
    """
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return read_recipe(path)
    found = _HERE / f"{name}.toml"
    if name != path.name or not found.is_file():
        known = ", ".join(path.stem for path in sorted(_HERE.glob("*.toml")))
        raise UsageError(
            f"There is no recipe {name!r}.", f"Choose one of {known}, or a .toml file."
        )
    return read_recipe(found)


def read_recipe(path: Path) -> Recipe:
    """Read and check one recipe file.

    Raises:
        RankbenchError: unreadable, an unknown loss, an unknown key or an impossible value.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RankbenchError(f"{path} is not a recipe: {error}.", "Mend the TOML.") from None
    loss = data.get("loss")
    if loss not in LOSSES:
        raise RankbenchError(f"{path}: unknown loss {loss!r}.", f"Use one of {', '.join(LOSSES)}.")
    defaults = {} if path.parent == _HERE else dict(load_recipe(loss).parameters)
    values = dict(defaults)
    for key, value in data.get("parameters", {}).items():
        if key not in PARAMETERS or (defaults and key not in {*defaults, *OPTIONAL.get(loss, {})}):
            raise UsageError(
                f"{path}: unknown parameter {key!r}.",
                f"Use {', '.join(sorted(defaults or PARAMETERS))}.",
            )
        values[key] = check_value(key, value)
    name, summary = str(data.get("name", path.stem)), str(data.get("summary", ""))
    return _fitting_together(Recipe(name, summary, loss, values))


def check_frozen(freeze: int, layers: int) -> None:
    """Raise UsageError where `freeze` layers are all that an encoder of so many `layers` has."""
    if freeze and freeze >= layers:
        raise UsageError(
            f"freeze = {freeze} leaves nothing to train: the encoder has {layers} layers.",
            f"Freeze at most {max(0, layers - 1)}.",
        )


def check_sizes(recipe: Recipe, width: int | None) -> None:
    """Raise UsageError for a size that another one makes meaningless.

    Args:
        width: of the encoder's hidden layers, None where it does not say so.
    """
    part, whole = int(recipe.get("mini_batch", 0)), int(recipe.get("batch_size", 0))
    if part > whole:
        raise UsageError(
            f"mini_batch = {part} is more than batch_size = {whole}, of which it is a part.",
            f"Give at most {whole}, or 0 for all at once.",
        )
    rank = int(recipe.get("lora", 0))
    if width is not None and rank > width:
        raise UsageError(
            f"lora = {rank} is no low rank: the encoder is {width} wide.",
            f"Give at most {width}, for example 8, or 0 to move all weights.",
        )


def _fitting_together(recipe: Recipe) -> Recipe:
    """The recipe, whose values are possible one by one.

    Raises:
        UsageError: they are not, together.
    """
    if 0 in recipe.get("alphas", ()):
        raise UsageError(
            "alphas = 0 is the base itself, which is compared with anyway.",
            "Give alphas above 0, up to 1: `--set alphas=0.5,1`.",
        )
    if recipe.loss == "hard-negatives" and not recipe["negatives"]:
        raise UsageError(
            "hard-negatives with negatives = 0 has nothing to mine.", "Give 1 or more."
        )
    if recipe.loss == "hard-negatives" and recipe["mine_from"] >= recipe["mine_to"]:
        raise UsageError(
            f"mine_from = {recipe['mine_from']} with mine_to = {recipe['mine_to']} has no ranks to "
            "mine.",
            "Give `mine_to` more than `mine_from`.",
        )
    if recipe.get("teacher_margin", 0.0) and not recipe.get("teacher", ""):
        raise UsageError(
            "teacher_margin without a teacher says nothing.", "Name one: `--set teacher=DIR`."
        )
    return recipe


def _example(values: Mapping[str, Any]) -> str:
    key = next(iter(values), "epochs")
    return f"--set {key}={values.get(key, 1)}"
