"""A tiny real encoder, a tiny shop and its judgments: every room runs on them in seconds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Before any numeric library: the suite shares its machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest

from engine.catalog.queries import JudgedQuery
from engine.encoders.card import Card, write_card
from engine.workspace import Settings, Workspace, create

TYPES = ("sneaker", "kettle", "tent", "lamp", "backpack", "jacket", "keyboard", "pillow")
COLOURS = ("red", "blue", "green", "black", "white")
UNJUDGED = ("umbrella", "bottle", "clock", "mirror")
KINDS = ("men", "women", "kids")
ACCESSORY = {
    "sneaker": "lace",
    "kettle": "descaler",
    "tent": "peg",
    "lamp": "bulb",
    "backpack": "strap",
    "jacket": "hanger",
    "keyboard": "cable",
    "pillow": "case",
}


@pytest.fixture(scope="session")
def tiny_texts() -> dict[str, str]:
    """Product id -> title: 12 types x 5 colours x 3 kinds and 8 x 5 accessories, 220 in all."""
    titles = [
        f"{colour} {kind} {what} classic"
        for what in TYPES + UNJUDGED
        for colour in COLOURS
        for kind in KINDS
    ]
    titles += [f"{colour} {what} {ACCESSORY[what]}" for what in TYPES for colour in COLOURS]
    return {f"p{number:03d}": title for number, title in enumerate(titles)}


@pytest.fixture(scope="session")
def tiny_queries(tiny_texts: dict[str, str]) -> list[JudgedQuery]:
    """40 queries `<colour> <type>`: Exact both, S another colour, C the accessory, I another type.

    Split train / dev / test by position: 24 / 8 / 8.
    """
    queries = []
    pairs = [(what, colour) for what in TYPES for colour in COLOURS]
    for number, (what, colour) in enumerate(pairs):
        other = TYPES[(TYPES.index(what) + 1) % len(TYPES)]
        grades = {}
        for product, title in tiny_texts.items():
            words = title.split()
            if ACCESSORY[what] in words:
                grades[product] = "C"
            elif what in words:
                grades[product] = "E" if colour in words else "S"
            elif other in words and colour in words and "classic" in words:
                grades[product] = "I"
        split = ("train", "train", "train", "dev", "test")[number % 5]
        columns = {"stratum": "even" if number % 2 == 0 else "odd"}
        queries.append(JudgedQuery(f"q{number:02d}", f"{colour} {what}", split, grades, columns))
    return queries


def make_encoder(directory: Path, *, layers: int = 1, dropout: float = 0.1) -> Path:
    """A BERT of hidden size 32 with seeded random weights and MiniLM's word pieces."""
    from engine.encoders.load import quiet_libraries

    quiet_libraries()
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    from engine.encoders.packaged import packaged_model_dir

    torch.manual_seed(7)
    raw = directory.with_name(f"{directory.name}-bert")
    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    BertModel(config).save_pretrained(str(raw))
    AutoTokenizer.from_pretrained(str(packaged_model_dir())).save_pretrained(str(raw))
    model = SentenceTransformer(
        modules=[Transformer(str(raw), max_seq_length=48), Pooling(32), Normalize()], device="cpu"
    )
    model.save_pretrained(str(directory), create_model_card=False)
    return directory


@pytest.fixture(scope="session")
def tiny_encoder_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make_encoder` with one layer."""
    return make_encoder(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture(scope="session")
def deep_encoder_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make_encoder` with three layers."""
    return make_encoder(tmp_path_factory.mktemp("encoders") / "deep", layers=3)


@pytest.fixture(scope="session")
def tiny_cross_encoder_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of one layer with seeded random weights: it ranks by chance."""
    from engine.encoders.load import quiet_libraries

    quiet_libraries()
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from engine.encoders.packaged import packaged_model_dir

    torch.manual_seed(11)
    raw = tmp_path_factory.mktemp("tiny-cross")
    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(str(raw))
    AutoTokenizer.from_pretrained(str(packaged_model_dir())).save_pretrained(str(raw))
    model = CrossEncoder(str(raw), max_length=48, device="cpu", local_files_only=True)
    directory = tmp_path_factory.mktemp("teachers") / "tiny"
    model.save_pretrained(str(directory), create_model_card=False)
    return directory


@pytest.fixture
def tiny_workspace(
    tmp_path: Path,
    tiny_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
) -> Workspace:
    """A workspace of the tiny shop: items, judgments with splits, the tiny encoder as its base."""
    return _tiny_shop(tmp_path, tiny_encoder_dir, tiny_texts, tiny_queries)


@pytest.fixture
def deep_workspace(
    tmp_path: Path,
    deep_encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
) -> Workspace:
    """The same with three layers in its base."""
    return _tiny_shop(tmp_path, deep_encoder_dir, tiny_texts, tiny_queries)


def _tiny_shop(
    tmp_path: Path,
    encoder_dir: Path,
    tiny_texts: dict[str, str],
    tiny_queries: list[JudgedQuery],
) -> Workspace:
    import polars as pl

    from engine.formats.judgments import read_judgments
    from engine.index.store import write_items
    from engine.records import Records

    ws = create(tmp_path / "shop", Settings(name="tiny"))
    shutil.copytree(encoder_dir, ws.encoders_dir / "base")
    write_card(ws.encoders_dir / "base", Card(name="base", base="tiny"))
    write_items(
        ws,
        pl.DataFrame({"product_id": list(tiny_texts), "title": list(tiny_texts.values())}),
    )
    source = tmp_path / "judgments.csv"
    rows = [
        (q.query_id, q.query, product, grade, q.split, q.columns["stratum"])
        for q in tiny_queries
        for product, grade in q.grades.items()
    ]
    names = ["query_id", "query", "product_id", "label", "split", "stratum"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(source)
    with Records(ws.records_path) as records:
        records.add_judgments(read_judgments(source), source)
        records.assign_missing_splits()
    return ws
