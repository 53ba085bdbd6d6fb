"""All ranking measures of one side for one judged query: `search` and `eval` share this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.errors import RankbenchError, UsageError
from engine.measures import DEFINITIONS, RBO_P, measures_hash
from engine.measures.checks import check_distinct, check_judged
from engine.measures.judged import judged
from engine.measures.ndcg import ndcg
from engine.measures.precision import precision
from engine.measures.rbo import rbo_ideal, rbo_ideal_strict
from engine.measures.recall import recall
from engine.measures.reciprocal_rank import reciprocal_rank

__all__ = ["CANDIDATES", "measure_query", "measure_search", "measure_unanswered", "measures_hash"]

CANDIDATES = ("judged", "catalog")
_COUNTERS = {"reciprocal_rank": reciprocal_rank, "precision": precision, "judged": judged}
_IDEALS = {"rbo_ideal": rbo_ideal, "rbo_ideal_strict": rbo_ideal_strict}


def measure_query(
    catalog_ids: Sequence[str],
    judged_ids: Sequence[str],
    grades: Mapping[str, str],
    gains: Mapping[str, float],
    candidates: str = "catalog",
    p: float = RBO_P,
) -> dict[str, float | None]:
    """The measures of one side over one candidate set.

    Args:
        catalog_ids: the side's ranking of the catalog; unused where `candidates` is "judged".
        judged_ids: the side's ranking of exactly the judged products.
        grades: product id -> grade, of the judged products that the catalog holds.
        gains: grade -> gain.
        candidates: "catalog" (`ndcg` is None) or "judged".

    Returns:
        A value in [0, 1] for every name of `DEFINITIONS`. Without a positive gain the two NDCGs and
        the RBOs to the ideal are None; without a judged product all are, `judged@10` excepted.
        Without an Exact product `mrr@10`, `recall@50` and `precision@10` are 0. RBO to the ideal is
        always over the judged products.

    Raises:
        UsageError: another candidate set.
        RankbenchError: a product twice in a ranking, or the judged ranking is not of the judged
            products.
    """
    if candidates not in CANDIDATES:
        raise UsageError(f"No candidate set {candidates!r}.", "Choose judged or catalog.")
    full = candidates == "judged"
    ranked = judged_ids if full else catalog_ids
    return _measure(ranked, judged_ids, judged_ids if full else None, grades, gains, p)


def measure_search(
    catalog_ids: Sequence[str],
    judged_ids: Sequence[str],
    grades: Mapping[str, str],
    gains: Mapping[str, float],
    p: float = RBO_P,
) -> dict[str, float | None]:
    """The measures beside a live comparison: `ndcg` over the judged products, the rest as catalog.

    Arguments, values and errors as in `measure_query`.
    """
    return _measure(catalog_ids, judged_ids, judged_ids, grades, gains, p)


def measure_unanswered(
    grades: Mapping[str, str], gains: Mapping[str, float], *, full: bool
) -> dict[str, float | None]:
    """The measures of a side that has no answer to a query: 0 each, None where undefined for all.

    Args:
        grades: product id -> grade, of the judged products that the catalog holds.
        gains: grade -> gain.
        full: whether `ndcg` is asked for (it is not among catalog candidates).
    """
    gained = any(gains[grade] > 0 for grade in grades.values())
    found: dict[str, float | None] = dict.fromkeys(DEFINITIONS, 0.0 if grades else None)
    found["judged@10"] = 0.0
    for name, item in DEFINITIONS.items():
        asked = full or item.depth or item.family != "ndcg"
        if item.family in ("ndcg", "rbo") and not (gained and asked):
            found[name] = None
    return found


def _measure(
    ranked: Sequence[str],
    judged_ids: Sequence[str],
    full: Sequence[str] | None,
    grades: Mapping[str, str],
    gains: Mapping[str, float],
    p: float,
) -> dict[str, float | None]:
    """Measures over `ranked`, RBO to the ideal over `judged_ids`, `ndcg` over `full`."""
    check_judged(judged_ids, grades)
    if len(judged_ids) != len(grades):
        raise RankbenchError(
            f"{len(judged_ids)} of {len(grades)} judged products are ranked.",
            "Rank every judged product of the query, those a side does not find last.",
        )
    # Every measure with a depth looks at the first ranks only; the other nine hundred stay unread.
    deepest = max(item.depth or 0 for item in DEFINITIONS.values())
    top = ranked[:deepest]
    check_distinct(top)
    gain_of = {product: gains[grade] for product, grade in grades.items()}
    all_gains = list(gain_of.values())
    relevant = [grades.get(product) == "E" for product in top]
    known = [product in grades for product in top]
    exact = sum(grade == "E" for grade in grades.values())
    found: dict[str, float | None] = {}
    for name, item in DEFINITIONS.items():
        if not grades and item.family != "judged":
            found[name] = None
        elif item.family == "ndcg":
            order = top if item.depth else full
            values = None if order is None else [gain_of.get(product, 0.0) for product in order]
            found[name] = None if values is None else ndcg(values, all_gains, item.depth)
        elif item.family == "recall":
            found[name] = recall(relevant, exact, item.depth)
        elif item.family == "rbo":
            # Where nothing gains, every order is the ideal one.
            gained = any(gain > 0 for gain in all_gains)
            found[name] = _IDEALS[name](judged_ids, gain_of, p) if gained else None
        else:
            flags = known if item.family == "judged" else relevant
            found[name] = _COUNTERS[item.family](flags, item.depth)
    return found
