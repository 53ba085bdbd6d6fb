"""The files of WANDS, the Wayfair Annotation Data Set (Chen et al., ECIR 2022).

`product.csv`, `query.csv` and `label.csv`, tab-separated. Its labels Exact, Partial and
Irrelevant become E, S and I.
"""

from __future__ import annotations

from pathlib import Path

PRODUCT_COLUMNS = {"product_id", "product_name", "product_class", "product_features"}


def find_products(directory: Path) -> Path | None:
    """`product.csv` of a WANDS directory (or of its `dataset` folder), or None."""
    return _find(directory, "product.csv")


def find_labels(directory: Path) -> Path | None:
    """`label.csv` of a WANDS directory, or None."""
    return _find(directory, "label.csv")


def queries_beside(labels: Path) -> Path | None:
    """`query.csv` beside `label.csv`, or None."""
    if not labels.name.startswith("label.csv"):
        return None
    beside = labels.with_name(labels.name.replace("label", "query", 1))
    return beside if beside.is_file() else None


def _find(directory: Path, name: str) -> Path | None:
    paths = (
        place / f"{name}{ending}"
        for place in (directory, directory / "dataset")
        for ending in ("", ".gz")
    )
    return next((path for path in paths if path.is_file()), None)
