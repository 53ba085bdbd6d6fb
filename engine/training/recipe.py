"""A recipe: a named, validated set of parameters for one training run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import RankbenchError, UsageError

LOSSES = ("infonce", "adapter", "flags")
_HERE = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class Parameter:
    """What values a parameter takes: its kind and its inclusive bounds."""

    kind: type
    low: float
    high: float
    help: str
    many: bool = False


PARAMETERS: Mapping[str, Parameter] = {
    "epochs": Parameter(int, 1, 1000, "passes over the training rows"),
    "lr": Parameter(float, 1e-8, 1.0, "peak learning rate of AdamW"),
    "batch_size": Parameter(int, 2, 4096, "rows in a batch; each row's documents serve the others"),
    "warmup": Parameter(float, 0.0, 0.9, "share of the steps over which the rate rises"),
    "weight_decay": Parameter(float, 0.0, 1.0, "AdamW's decay"),
    "seed": Parameter(int, 0, 2**31 - 1, "of sampling, batches and dropout"),
    "max_per_query": Parameter(int, 1, 100_000, "rows (Exact products) drawn from one query"),
    "negatives": Parameter(int, 0, 16, "hard negatives a row, judged non-Exact for its query"),
    "max_steps": Parameter(int, 0, 10**9, "stop after so many steps; 0 for the epochs' own"),
    "max_length": Parameter(int, 8, 8192, "tokens a text is cut to while training"),
    "scale": Parameter(float, 0.1, 1000.0, "1 / temperature of the softmax over cosines"),
    "identity": Parameter(float, 0.0, 1e6, "weight of ||W - I||² in the adapter's loss"),
    "alphas": Parameter(float, 0.0, 1.0, "base-to-tuned interpolations tried on dev", many=True),
    "alpha": Parameter(
        float, 0.0, 1.0, "the interpolation kept unless dev clearly prefers another"
    ),
    "margin": Parameter(
        float, 0.0, 10.0, "standard errors by which dev must prefer another choice"
    ),
    "positives": Parameter(int, 1, 1000, "Exact results that each flagged one is set against"),
    "max_rows": Parameter(int, 1, 10**6, "pairs of flagged and Exact results, at most"),
    "replay": Parameter(int, 0, 10**6, "unflagged queries that keep the base's own scores"),
    "documents": Parameter(int, 2, 64, "products a replay query is scored on"),
    "replay_weight": Parameter(float, 0.0, 1000.0, "of the replay's loss beside the flags'"),
    "push": Parameter(int, 1, 1000, "rank under the base below which flagged results are pushed"),
    "push_weight": Parameter(float, 0.0, 1000.0, "of that push beside the contrastive loss"),
    "dev_products": Parameter(int, 10, 10**7, "products the dev selection ranks, at most"),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to tune an encoder.

    Attributes:
        name: as in `--recipe`.
        summary: one sentence for a list.
        loss: which trainer runs it, one of `LOSSES`.
        parameters: key -> int, float or tuple of floats; the keys are the ones it accepts.
    """

    name: str
    summary: str
    loss: str
    parameters: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.parameters[key]

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
            if key not in values:
                raise UsageError(
                    f"Recipe {self.name} has no parameter {key!r}.",
                    f"It accepts {', '.join(sorted(values))}.",
                )
            values[key] = parse_value(key, value.strip())
        return replace(self, parameters=values)

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
        if key not in PARAMETERS or (defaults and key not in defaults):
            raise UsageError(
                f"{path}: unknown parameter {key!r}.",
                f"Use {', '.join(sorted(defaults or PARAMETERS))}.",
            )
        values[key] = check_value(key, value)
    return Recipe(str(data.get("name", path.stem)), str(data.get("summary", "")), loss, values)


def parse_value(key: str, text: str) -> Any:
    """The value of parameter `key` written as text (lists as `0.25,0.5`).

    Raises:
        UsageError: not of the parameter's kind, or out of its bounds.
    """
    parameter = PARAMETERS[key]
    try:
        if parameter.many:
            parts = [part for part in text.strip("[]() ").split(",") if part.strip()]
            return check_value(key, [float(part) for part in parts])
        return check_value(key, float(text) if parameter.kind is float else int(text))
    except ValueError:
        raise _impossible(key, text) from None


def check_value(key: str, value: Any) -> Any:
    """`value`, normalised to the parameter's kind.

    Raises:
        UsageError: not of the parameter's kind, or out of its bounds.
    """
    parameter = PARAMETERS[key]
    items = value if parameter.many else [value]
    if not isinstance(items, (list, tuple)) or not items:
        raise _impossible(key, value)
    for item in items:
        good = isinstance(item, (int, float)) and not isinstance(item, bool)
        if good and parameter.kind is int:
            good = isinstance(item, int)
        # A NaN fails both comparisons.
        if not good or not parameter.low <= item <= parameter.high:
            raise _impossible(key, value)
    if parameter.many:
        return tuple(sorted({float(item) for item in items}))
    return parameter.kind(value)


def _impossible(key: str, value: object) -> UsageError:
    parameter = PARAMETERS[key]
    kind = "a whole number" if parameter.kind is int else "a number"
    if parameter.many:
        kind = "numbers separated by commas, each"
    return UsageError(
        f"{key} = {value} is not possible: {parameter.help}.",
        f"Give {kind} from {parameter.low:g} to {parameter.high:g}.",
    )


def _example(values: Mapping[str, Any]) -> str:
    key = next(iter(values), "epochs")
    return f"--set {key}={values.get(key, 1)}"
