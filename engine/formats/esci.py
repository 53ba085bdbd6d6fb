"""The official files of the Shopping Queries (ESCI) data set, KDD Cup 2022.

`shopping_queries_dataset_examples.parquet` and `shopping_queries_dataset_products.parquet`, as
published by Reddy et al., "Shopping Queries Dataset: A Large-Scale ESCI Benchmark for Improving
Product Search", 2022. Their columns are told by the general names; here is where the files lie.
"""

from __future__ import annotations

from pathlib import Path

EXAMPLES = "shopping_queries_dataset_examples"
PRODUCTS = "shopping_queries_dataset_products"
_ENDINGS = (".parquet", ".csv", ".csv.gz")


def find_products(directory: Path) -> Path | None:
    """The product file of the pair in `directory`, or None."""
    return _find(directory, PRODUCTS)


def find_examples(directory: Path) -> Path | None:
    """The judgment file of the pair in `directory`, or None."""
    return _find(directory, EXAMPLES)


def _find(directory: Path, stem: str) -> Path | None:
    places = (directory, directory / "shopping_queries_dataset")
    paths = (place / f"{stem}{ending}" for place in places for ending in _ENDINGS)
    return next((path for path in paths if path.is_file()), None)
