"""Fewer layers: an encoder with some of its parent's, distilled to the parent's own vectors.

The layers kept are spread evenly with the first and the last among them (Sajjad et al., 2023, find
which ones hardly matters once the rest is trained). The student then learns the parent's vector of
each catalog text, and of short pieces of titles, which stand for queries: no query and no judgment
is used, so what the encoder has seen is what its parent has.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.encoders.light import read_prompts
from engine.encoders.load import SentenceEncoder, load_model
from engine.encoders.save import save_model
from engine.errors import RankbenchError, UsageError
from engine.training import checkpoints
from engine.training.outcome import Report, ShouldStop, check_stop, diverged
from engine.training.selection import bf16_is_fast

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

STEPS = 600
_BATCH = 32
_RATE = 2e-4
_WARM = 0.1
_PIECES = 0.5  # of a batch: short pieces, as long as queries
_LONGEST = 6  # words of a piece
_EVERY = 20  # steps between checkpoints


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a student learns from.

    Attributes:
        texts: of the catalog, none of them empty.
        vectors: the parent's of each, unit, [n, d].
        steps: optimiser steps of 32 texts; seed: of their order.
    """

    texts: Sequence[str]
    vectors: np.ndarray
    steps: int = STEPS
    seed: int = 0


def kept_layers(layers: int, of: int) -> list[int]:
    """Which layers stay where `layers` of them do, first and last among them (of one the first).

    Raises:
        UsageError: it is not from 0 to one less than there are.
    """
    if not 0 <= layers < of:
        raise UsageError(
            f"{layers} layers cannot be kept of {of}.", f"Give --layers from 1 to {of - 1}."
        )
    if layers < 2:
        return [0][:layers]
    return [round(number * (of - 1) / (layers - 1)) for number in range(layers)]


def layer_count(directory: Path) -> int:
    """How many layers an encoder's Transformer has.

    Raises:
        RankbenchError: they cannot be counted.
    """
    model = load_model(directory, "cpu")
    return len(_layers(model))


def drop_layers(model: SentenceTransformer, layers: int) -> None:
    """Leave `layers` layers in the model.

    Raises:
        UsageError, RankbenchError: as `kept_layers`; an architecture whose layers are elsewhere.
    """
    found = _layers(model)
    kept = kept_layers(layers, len(found))
    inner = _inner(model)
    inner.encoder.layer = type(found)([found[number] for number in kept])
    inner.config.num_hidden_layers = layers


def distil(
    directory: Path,
    layers: int,
    lesson: Lesson,
    place: Path,
    report: Report,
    should_stop: ShouldStop,
) -> Path:
    """Make the student of the encoder in `directory`; returns its directory in `place`.

    A student that is there already is returned as it is; a run that was stopped goes on from its
    last checkpoint in `place`, which belongs to one parent and catalog.

    Raises:
        Cancelled: the checkpoint stays.
        RankbenchError: the disk refuses, the loss is no number, or as `drop_layers`.
    """
    target = place / f"layers-{layers}-{lesson.steps}-{lesson.seed}"
    if (target / "modules.json").is_file():
        return target
    place.mkdir(parents=True, exist_ok=True)
    model = load_model(directory, "cpu")
    drop_layers(model, layers)
    kept = place / f"{target.name}.checkpoints"
    _train(model, directory, lesson, kept, report, should_stop)
    work = target.with_name(f".{target.name}.partial")
    save_model(model, work)
    work.rename(target)
    checkpoints.prune(kept, 0)
    return target


def _train(
    model: SentenceTransformer,
    directory: Path,
    lesson: Lesson,
    kept: Path,
    report: Report,
    should_stop: ShouldStop,
) -> None:
    """AdamW with a warm-up and a linear decay on 1 - cosine; the word embeddings stay."""
    import torch

    # They are most of the weights and, being the parent's, good already.
    _inner(model).embeddings.requires_grad_(False)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=_RATE, weight_decay=0.01)
    prompts = read_prompts(directory)
    first = _resume(model, optimizer, kept, lesson)
    teacher, began = SentenceEncoder(load_model(directory, "cpu")), time.monotonic()
    fast = bf16_is_fast("cpu")
    # Dropout would teach against vectors that are exact.
    model.eval()
    for step in range(first + 1, lesson.steps + 1):
        if should_stop():
            _keep(model, optimizer, kept, step - 1, lesson)
            check_stop(lambda: True)
        texts, wanted = _batch(lesson, step, teacher, prompts)
        for group in optimizer.param_groups:
            group["lr"] = _RATE * _share(step, lesson.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            vectors = model(model.preprocess(texts))["sentence_embedding"]
        cosines = torch.nn.functional.cosine_similarity(vectors.float(), wanted)
        loss = (1 - cosines).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if not math.isfinite(loss.item()):
            raise diverged()
        if step % _EVERY == 0 and step < lesson.steps:
            _keep(model, optimizer, kept, step, lesson)
        passed = time.monotonic() - began
        report(
            {
                "event": "progress",
                "phase": "distilling",
                "step": step,
                "steps": lesson.steps,
                "loss": round(loss.item(), 5),
                "eta_s": round(passed / (step - first) * (lesson.steps - step), 1),
            }
        )


def _batch(
    lesson: Lesson, step: int, teacher: SentenceEncoder, prompts: tuple[str, str]
) -> tuple[list[str], torch.Tensor]:
    """The texts of a step and the parent's vectors [b, d]; the same for every run of a seed."""
    import torch

    each = min(_BATCH - int(_BATCH * _PIECES), len(lesson.texts))
    per_epoch = max(1, len(lesson.texts) // each)
    epoch, at = divmod(step - 1, per_epoch)
    order = np.random.default_rng((lesson.seed, epoch)).permutation(len(lesson.texts))
    rows = order[at * each : (at + 1) * each]
    rng = random.Random(f"{lesson.seed}-{step}")
    pieces = [_piece(rng.choice(lesson.texts), rng) for _ in range(int(_BATCH * _PIECES))]
    vectors = np.concatenate([lesson.vectors[rows], teacher.encode_queries(pieces)])
    query, document = prompts
    texts = [document + lesson.texts[row] for row in rows] + [query + piece for piece in pieces]
    return texts, torch.from_numpy(vectors)


def _piece(text: str, rng: random.Random) -> str:
    """One to six words in a row."""
    words = text.split()
    length = rng.randint(1, min(_LONGEST, len(words)))
    start = rng.randrange(len(words) - length + 1)
    return " ".join(words[start : start + length]).lower()


def _share(step: int, steps: int) -> float:
    warm = max(1, round(_WARM * steps))
    return min(step / warm, max(0.0, (steps - step + 1) / max(1, steps - warm)))


def _keep(model: Any, optimizer: Any, kept: Path, step: int, lesson: Lesson) -> None:
    import torch

    def write(directory: Path) -> None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state, directory / "state.pt")

    checkpoints.save(kept, step, _key(lesson), write)


def _resume(model: Any, optimizer: Any, kept: Path, lesson: Lesson) -> int:
    """Go on from the newest checkpoint of this lesson; returns its step, 0 for none."""
    import torch

    found = checkpoints.newest(kept, _key(lesson), lambda step: None)
    if found is None:
        return 0
    state = torch.load(found / "state.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(found.name.rpartition("-")[2])


def _key(lesson: Lesson) -> str:
    return checkpoints.run_key(lesson.steps, lesson.seed, len(lesson.texts))


def _inner(model: SentenceTransformer) -> Any:
    """The transformers model inside."""
    inner = getattr(model[0], "auto_model", None) or getattr(model[0], "model", None)
    if inner is None or not hasattr(getattr(inner, "encoder", None), "layer"):
        raise RankbenchError(
            "The layers of this architecture cannot be dropped.", "Use `--method int8` or `pca`."
        )
    return inner


def _layers(model: SentenceTransformer) -> Any:
    return _inner(model).encoder.layer
