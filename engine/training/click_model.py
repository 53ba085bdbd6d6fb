"""How attractive a product is to those who search, corrected for where it stood.

The position-based model (Craswell et al., WSDM 2008; Chuklin, Markov and de Rijke, Click Models for
Web Search, 2015, chapters 3 and 4): a click needs a look and a liking, P(click) = examination of
the position times attractiveness of the product for the query, estimated by expectation
maximisation. Click-through rates alone take a place at the top for a merit.

Examination and attractiveness can only be told apart where products were seen at several positions.
Where the positions are not all linked by such products the simpler clicks over expected clicks
(COEC; Zhang and Jones, WWW 2007) is used: a product's clicks over those that an average product
would have had at its positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR = 2.0
"""Looks of average outcome that every product is given: one click of one look is no certainty."""
ITERATIONS = 2_000
_STEP = 1e-7
_LEAST, _MOST = 1e-6, 1 - 1e-6


@dataclass(frozen=True, slots=True)
class ClickModel:
    """What a click log says.

    Attributes:
        method: "pbm" or "coec".
        attractiveness: [pairs]; of "pbm" the chance of a click where looked at, in (0, 1); of
            "coec" relative to 1, the average product.
        positions: [k] as given, rising; examination: [k], the largest is 1; of "coec" the
            click-through rates of the positions, so scaled.
        views, clicks: [pairs]; examined: [pairs], the views weighted by examination.
        iterations: of the maximisation; 0 for "coec".
    """

    method: str
    attractiveness: np.ndarray
    positions: np.ndarray
    examination: np.ndarray
    views: np.ndarray
    clicks: np.ndarray
    examined: np.ndarray
    iterations: int = 0


def fit_clicks(
    pair: np.ndarray,
    position: np.ndarray,
    clicked: np.ndarray,
    shown: np.ndarray | None = None,
) -> ClickModel:
    """Estimate the model from products shown.

    Args:
        pair: [n] numbers from 0 of (query, product); position: [n] any whole numbers; clicked: [n]
            bool or clicks, with one among them; shown: [n] of how many views, else of one each.
    """
    positions, at = np.unique(position, return_inverse=True)
    cells, inverse = np.unique(pair * len(positions) + at, return_inverse=True)
    views = np.bincount(inverse, weights=shown).astype(np.float64)
    clicks = np.bincount(inverse, weights=clicked.astype(np.float64))
    which, where = cells // len(positions), cells % len(positions)
    pairs = int(pair.max()) + 1
    if linked(which, where, len(positions)):
        attraction, examination, rounds = _pbm(which, where, views, clicks, pairs, len(positions))
        method = "pbm"
    else:
        attraction, examination = _coec(which, where, views, clicks, pairs, len(positions))
        method, rounds = "coec", 0
    return ClickModel(
        method,
        attraction,
        positions,
        examination,
        np.bincount(which, views, pairs),
        np.bincount(which, clicks, pairs),
        np.bincount(which, views * examination[where], pairs),
        rounds,
    )


def linked(which: np.ndarray, where: np.ndarray, positions: int) -> bool:
    """Whether products seen at several positions link all positions.

    Args:
        which, where: [cells] product and position of each (product, position) that was seen.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = positions + int(which.max()) + 1
    graph = coo_array((np.ones(len(which)), (where, positions + which)), shape=(size, size))
    _, part = connected_components(graph, directed=False)
    return len(set(part[:positions].tolist())) == 1


def _pbm(
    which: np.ndarray,
    where: np.ndarray,
    views: np.ndarray,
    clicks: np.ndarray,
    pairs: int,
    positions: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Attractiveness [pairs], examination [positions], rounds."""
    looked = np.bincount(where, views, positions)
    shown = np.bincount(which, views, pairs)
    rate = clicks.sum() / views.sum()
    examination = np.bincount(where, clicks, positions) / looked
    examination = np.clip(examination / max(examination.max(), _LEAST), _LEAST, _MOST)
    attraction = np.full(pairs, min(max(rate, _LEAST), 0.5))
    rounds = 0
    while rounds < ITERATIONS:
        rounds += 1
        a, e = attraction[which], examination[where]
        # Of a view without a click: the chance that it was liked but not looked at, and the
        # other way round.
        unseen = 1 - a * e
        liked = clicks + (views - clicks) * a * (1 - e) / unseen
        seen = clicks + (views - clicks) * e * (1 - a) / unseen
        average = liked.sum() / views.sum()
        new_a = (PRIOR * average + np.bincount(which, liked, pairs)) / (PRIOR + shown)
        new_e = np.clip(np.bincount(where, seen, positions) / looked, _LEAST, _MOST)
        # Only the product of the two is observed: the most examined position is always 1.
        scale = new_e.max()
        new_a = np.clip(new_a * scale, _LEAST, _MOST)
        new_e = np.clip(new_e / scale, _LEAST, _MOST)
        moved = max(np.abs(new_a - attraction).max(), np.abs(new_e - examination).max())
        attraction, examination = new_a, new_e
        if moved < _STEP:
            break
    return attraction, examination / examination.max(), rounds


def _coec(
    which: np.ndarray,
    where: np.ndarray,
    views: np.ndarray,
    clicks: np.ndarray,
    pairs: int,
    positions: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Clicks over expected clicks [pairs], click-through rates [positions] over their largest."""
    # Some were clicked, or no rate could be told: nothing here is divided by 0.
    rates = np.bincount(where, clicks, positions) / np.bincount(where, views, positions)
    expected = np.bincount(which, views * rates[where], pairs)
    prior = PRIOR * clicks.sum() / views.sum()
    return (np.bincount(which, clicks, pairs) + prior) / (expected + prior), rates / rates.max()
