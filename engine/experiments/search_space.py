"""Which values of a recipe's parameters a sweep tries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import UsageError
from engine.training.parameters import PARAMETERS, parse_value
from engine.training.recipe import Recipe

_USUAL = {"lr": "5e-6..1e-4:log", "epochs": "1..4", "batch_size": "8,16,32,64"}
_PAIRS = {**_USUAL, "max_per_query": "10..80:log", "targets": "gain,log"}

SPACES: Mapping[str, Mapping[str, str]] = {
    "infonce": {
        **_USUAL, "max_per_query": "5..40:log", "negatives": "0..3", "scale": "10..50:log",
    },
    "hard-negatives": {
        **_USUAL, "max_per_query": "5..40:log", "negatives": "1..4", "scale": "10..50:log",
        "near": "0.8..0.99", "rounds": "1..3", "mine_to": "20..200:log",
    },
    "triplet": {
        **_USUAL, "max_per_query": "5..40:log", "loss_margin": "0.05..0.5",
    },
    "contrastive": {**_PAIRS, "epochs": "2..12", "loss_margin": "0.2..0.8"},
    "cosine": _PAIRS,
    "cosent": {**_PAIRS, "scale": "10..50:log"},
    "listwise": {
        **_PAIRS, "batch_size": "4,8,16", "documents": "4..16", "in_batch": "0,1",
        "scale": "10..50:log",
    },
    "adapter": {
        "lr": "5e-5..5e-3:log", "epochs": "5..60:log", "batch_size": "16,32,64,128",
        "max_per_query": "5..40:log", "negatives": "0..3", "scale": "5..100:log",
        "identity": "0.001..10:log",
    },
}  # fmt: skip
"""Loss -> parameter -> what is tried unless `--param` says otherwise, written as there."""

NOT_SEARCHED = {
    "seed": "it would choose the luckiest run",
    "dev_products": "scores over other products cannot be compared",
    "margin": "it decides how dev chooses, not how the encoder learns",
    "alphas": "dev chooses among them within every trial",
}
REFUSED = {
    "flags": "dev queries, which nobody flagged, show what flags cost and not what they mend",
    "distill": "it learns from a search log, which a sweep does not read",
}


@dataclass(frozen=True, slots=True)
class Dimension:
    """The values of one parameter: from `low` to `high`, both included, or one of `choices`.

    Attributes:
        log: drawn evenly on a logarithmic scale.
    """

    key: str
    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def integer(self) -> bool:
        return PARAMETERS[self.key].kind is int

    @property
    def text(self) -> str:
        """As `--param` takes it, without the key."""
        if self.choices:
            return ",".join(map(written, self.choices))
        return f"{written(self.low)}..{written(self.high)}{':log' if self.log else ''}"

    def holds(self, value: Any) -> bool:
        """Whether a sweep may come to this value."""
        return value in self.choices if self.choices else self.low <= value <= self.high

    def rounded(self, value: Any) -> Any:
        """A drawn value at three significant digits: what is shown is what was run."""
        if self.choices or self.integer:
            return value
        return min(max(float(f"{value:.3g}"), self.low), self.high)


Space = tuple[Dimension, ...]


def space_of(recipe: Recipe, params: Sequence[str] = (), fixed: Collection[str] = ()) -> Space:
    """What a sweep of `recipe` searches.

    Args:
        params: `key=low..high`, `key=low..high:log` or `key=a,b,c`; without any, the recipe's own
            search space.
        fixed: parameters given a value by hand, which are not searched.

    Raises:
        UsageError: a recipe that cannot be swept, a parameter that it does not have or that is not
            searched, a value that is not possible, or nothing to search.
    """
    if recipe.loss in REFUSED:
        raise UsageError(
            f"Recipe {recipe.name} cannot be swept: {REFUSED[recipe.loss]}.",
            f"Sweep one of {', '.join(sorted(SPACES))}.",
        )
    if recipe.get("teacher", ""):
        raise UsageError(
            f"Recipe {recipe.name} is not swept with a teacher.",
            "Sweep without one, then train with it.",
        )
    if params:
        found = [parse(text, recipe) for text in params]
    else:
        own = SPACES[recipe.loss]
        found = [parse(f"{k}={v}", recipe) for k, v in own.items() if k in recipe.parameters]
        found = [dimension for dimension in found if dimension.key not in fixed]
    keys = [dimension.key for dimension in found]
    for key in keys:
        if keys.count(key) > 1 or key in fixed:
            other = "--param twice" if keys.count(key) > 1 else "--set and --param"
            raise UsageError(f"{key} is in {other}.", f"Give {key} once.")
    if not found:
        raise UsageError(
            "Nothing is left to search: --set gives every parameter a value.",
            "Take one of them out, or name what to search: `--param lr=1e-6..1e-4:log`.",
        )
    return tuple(found)


def parse(text: str, recipe: Recipe) -> Dimension:
    """The dimension written as `key=low..high`, `key=low..high:log` or `key=a,b,c`.

    Raises:
        UsageError: as `space_of`.
    """
    key, sign, values = (part.strip() for part in text.partition("="))
    if not sign:
        raise UsageError(
            f"--param {text}: not of the form key=values.",
            "For example lr=1e-6..1e-4:log, epochs=1..4 or batch_size=16,32.",
        )
    if key not in recipe.parameters:
        accepted = sorted(set(recipe.parameters).difference(NOT_SEARCHED))
        raise UsageError(
            f"Recipe {recipe.name} has no parameter {key!r}.",
            f"It accepts {', '.join(accepted)}.",
        )
    if key in NOT_SEARCHED:
        raise UsageError(
            f"{key} is not searched: {NOT_SEARCHED[key]}.", f"Give it one value: `--set {key}=…`."
        )
    return _range(key, values) if ".." in values else _choices(key, values)


def _range(key: str, text: str) -> Dimension:
    about = PARAMETERS[key]
    if about.choices:
        raise UsageError(
            f"--param {key}={text}: {key} has no range.",
            f"Give some of {about.range}, separated by commas.",
        )
    ends, colon, scale = text.partition(":")
    first, _, last = ends.partition("..")
    if colon and scale.strip() != "log":
        raise UsageError(
            f"--param {key}={text}: a scale {scale!r} is not known.",
            f"Write {key}={ends}:log, or {key}={ends}.",
        )
    low, high = parse_value(key, first.strip()), parse_value(key, last.strip())
    if low >= high:
        raise UsageError(
            f"--param {key}={text}: {written(low)} is not below {written(high)}.",
            f"Give two values from {about.range}, the lower one first.",
        )
    if colon and low <= 0:
        raise UsageError(
            f"--param {key}={text}: a logarithmic scale has no {written(low)}.",
            f"Begin above 0, or write {key}={ends}.",
        )
    return Dimension(key, low, high, log=bool(colon))


def _choices(key: str, text: str) -> Dimension:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    values = tuple(dict.fromkeys(parse_value(key, part) for part in parts))
    if len(values) < 2:
        about = PARAMETERS[key]
        wanted = "separated by commas" if about.choices else f"as {key}=low..high or by commas"
        raise UsageError(
            f"--param {key}={text}: there is nothing to choose from.",
            f"Give two or more of {about.range}, {wanted}; or one value: `--set {key}=…`.",
        )
    return Dimension(key, choices=values)


def written(value: Any) -> str:
    """A value as `--set` takes it."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(written, value))
    if not isinstance(value, float):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
