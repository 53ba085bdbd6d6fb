"""What every parameter of a recipe means, and which values it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class Parameter:
    """What values a parameter takes: its kind and its inclusive bounds, or its choices, or any text
    (kind `str` without choices)."""

    kind: type
    low: float
    high: float
    help: str
    many: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        return self.kind is str and not self.choices

    @property
    def range(self) -> str:
        """The values for people: `0 to 1`, or `none, category`."""
        if self.is_text:
            return "text"
        return ", ".join(self.choices) if self.choices else f"{self.low:g} to {self.high:g}"


def _choice(help: str, *choices: str) -> Parameter:
    return Parameter(str, 0, 0, help, choices=choices)


PARAMETERS: Mapping[str, Parameter] = {
    "epochs": Parameter(int, 1, 1000, "passes over the training rows"),
    "lr": Parameter(float, 1e-8, 1.0, "peak learning rate of AdamW"),
    "batch_size": Parameter(int, 2, 4096, "rows in a batch; each row's documents serve the others"),
    "mini_batch": Parameter(
        int, 0, 4096, "rows encoded at once, for batches larger than memory; 0 for all"
    ),
    "strata": _choice("what the rows of a batch share", "none", "category", "source", "locale"),
    "warmup": Parameter(float, 0.0, 0.9, "share of the steps over which the rate rises"),
    "weight_decay": Parameter(float, 0.0, 1.0, "AdamW's decay"),
    "seed": Parameter(int, 0, 2**31 - 1, "of sampling, batches and dropout"),
    "max_per_query": Parameter(
        int, 1, 100_000, "products drawn from one query (where rows are pairs of Exact: of those)"
    ),
    "negatives": Parameter(
        int, 0, 16, "hard negatives a row: judged non-Exact, mined, or (to teach) unjudged ones"
    ),
    "max_steps": Parameter(int, 0, 10**9, "steps (of each stage), at most; 0 for the epochs' own"),
    "max_length": Parameter(int, 8, 8192, "tokens a text is cut to while training"),
    "scale": Parameter(float, 0.1, 1000.0, "1 / temperature of the softmax over cosines"),
    "loss_margin": Parameter(float, 0.0, 2.0, "distance (1 - cosine) that wrong pairs should have"),
    "targets": _choice("of a grade: its gain, or its place between 0 and 1", "gain", "log"),
    "descriptions": Parameter(int, 0, 1, "1: pairs of query and description, too"),
    "in_batch": Parameter(int, 0, 1, "1: the batch's other documents stand in each list"),
    "temperature": Parameter(float, 0.01, 1000.0, "that divides the teacher's scores"),
    "rounds": Parameter(int, 1, 20, "times that hard negatives are mined and trained on"),
    "first_epochs": Parameter(
        int, 0, 1000, "epochs of InfoNCE before; 0 where the base had that stage"
    ),
    "near": Parameter(
        float, 0.0, 1.0, "mined products above this share of the positive's cosine are left out"
    ),
    "mine_from": Parameter(int, 0, 10**5, "ranks passed over before mining"),
    "mine_to": Parameter(int, 1, 10**5, "ranks mined, at most"),
    "teacher": Parameter(
        str, 0, 0, "a cross-encoder (name, directory, hub id) that leaves out mined products"
    ),
    "teacher_margin": Parameter(
        float, 0.0, 1000.0, "logits below the positive's from which on the teacher leaves one out"
    ),
    "freeze": Parameter(int, 0, 1000, "layers from below that stay as they are, with the words"),
    "lora": Parameter(int, 0, 1024, "rank of low-rank updates (LoRA); 0 moves all weights"),
    "patience": Parameter(
        int, 0, 1000, "epochs without a better dev score, after which it stops; 0: never"
    ),
    "identity": Parameter(float, 0.0, 1e6, "weight of ||W - I||² in the adapter's loss"),
    "alphas": Parameter(
        float, 0.0, 1.0, "above 0: base-to-tuned interpolations tried on dev, with alpha", many=True
    ),
    "alpha": Parameter(
        float, 0.0, 1.0, "the interpolation kept unless dev clearly prefers another"
    ),
    "margin": Parameter(
        float, 0.0, 10.0, "standard errors by which dev must prefer another choice"
    ),
    "positives": Parameter(int, 1, 1000, "Exact results that each flagged one is set against"),
    "max_rows": Parameter(int, 1, 10**6, "pairs of flagged and Exact results, at most"),
    "replay": Parameter(int, 0, 10**6, "unflagged queries that keep the base's own scores"),
    "documents": Parameter(int, 2, 64, "products that a query is scored on in one row"),
    "replay_weight": Parameter(float, 0.0, 1000.0, "of the replay's loss beside the flags'"),
    "push": Parameter(int, 1, 1000, "rank under the base below which flagged results are pushed"),
    "push_weight": Parameter(float, 0.0, 1000.0, "of that push beside the contrastive loss"),
    "dev_products": Parameter(int, 10, 10**7, "products the dev selection ranks, at most"),
}

OPTIONAL: Mapping[str, Mapping[str, Any]] = {
    "hard-negatives": {"teacher": "", "teacher_margin": 0.0},
    "adapter": {"patience": 0},
}
"""Loss -> parameters that a recipe has only where they are given, and what they are without."""


def parse_value(key: str, text: str) -> Any:
    """The value of parameter `key` written as text (lists as `0.25,0.5`).

    Raises:
        UsageError: not of the parameter's kind, or out of its bounds.
    """
    parameter = PARAMETERS[key]
    if parameter.choices or parameter.is_text:
        return check_value(key, text)
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
    if parameter.choices:
        if value not in parameter.choices:
            raise _impossible(key, value)
        return value
    if parameter.is_text:
        if not isinstance(value, str):
            raise _impossible(key, value)
        return value
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
    wanted = f"{kind} from {parameter.low:g} to {parameter.high:g}"
    if parameter.is_text:
        wanted = "text"
    if parameter.choices:
        wanted = f"one of {parameter.range}"
    return UsageError(f"{key} = {value} is not possible: {parameter.help}.", f"Give {wanted}.")
