"""The ways to encode a query with the same weights that `compress --table` tries."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.encoders.graph import write_graph
from engine.encoders.light import load_light, plain, read_stack, read_tokenizer
from engine.encoders.load import SentenceEncoder, load_float, load_model
from engine.encoders.quantised import QuantisedEncoder

if TYPE_CHECKING:
    import torch

    from engine.encoders.light import Project, Weights

Queries = Callable[[Sequence[str]], np.ndarray]
"""Query texts -> unit vectors [n, dim]."""

LIGHT = "torch fp32, light loader"
BARE = "torch fp32, sentence-transformers"
BF16 = "torch bf16, light loader"
TORCH_INT8 = "torch int8, light loader"
BARE_INT8 = "torch int8, sentence-transformers"
ORT = "onnxruntime fp32"
ORT_CHANNEL = "onnxruntime int8, by channel"
ORT_INT8 = "onnxruntime int8, by blocks"
PRECISIONS = {ORT: "fp32", ORT_CHANNEL: "int8-channel", ORT_INT8: "int8"}


def open_path(path: str, directory: Path, work: Path) -> Queries | None:
    """Make ready to encode queries with the weights in `directory`; None where it cannot be done.

    Args:
        work: where ONNX graphs are written.

    Raises:
        RankbenchError: the encoder cannot be loaded, or a graph of it not be written.
    """
    if path in PRECISIONS:
        return open_graph_path(directory, work, path).encode_queries
    if path == LIGHT:
        return load_float(directory, "cpu", live=True).encode_queries
    if path == BARE:
        return SentenceEncoder(load_model(directory, "cpu")).encode_queries
    if path == BARE_INT8:
        return _bare_int8(directory)
    light = None
    # A processor or a torch without these operators says so in many ways.
    with suppress(RuntimeError, AttributeError, NotImplementedError), _hushed():
        light = load_light(directory, _bf16 if path == BF16 else _int8)
    return light.encode_queries if light else None


def open_graph_path(directory: Path, work: Path, path: str) -> QuantisedEncoder:
    """As `open_path`, with the documents; one graph for each directory and precision."""
    target = work / graph_name(directory, path)
    if not target.is_file():
        write_graph(directory, target, PRECISIONS[path])
    return QuantisedEncoder(directory, lambda: load_float(directory, "cpu"), target)


def graph_name(directory: Path, path: str) -> str:
    """How `open_graph_path` calls the graph of an encoder directory."""
    return f"{directory.name}-{PRECISIONS[path]}.onnx"


def tokenise(directory: Path) -> Callable[[str], Any]:
    """The tokeniser alone: what no weights can make quicker."""
    config, _ = read_stack(directory)
    return read_tokenizer(directory, config)[0].encode


def _bare_int8(directory: Path) -> Queries | None:
    import torch

    model = load_model(directory, "cpu")
    with suppress(RuntimeError, AttributeError, NotImplementedError), _hushed():
        model = torch.ao.quantization.quantize_dynamic(
            model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True
        )
        return SentenceEncoder(model).encode_queries
    return None


def _bf16(weights: Weights) -> tuple[Weights, Project]:
    import torch

    return plain({name: value.to(torch.bfloat16) for name, value in weights.items()})


def _int8(weights: Weights) -> tuple[Weights, Project]:
    """Every linear layer dynamically quantised, weights by channel, as `quantize_dynamic` can."""
    import torch

    packed = {
        name.removesuffix(".weight"): _pack(value, weights[f"{name.removesuffix('.weight')}.bias"])
        for name, value in weights.items()
        if name.startswith("encoder.") and name.endswith(".weight") and value.ndim == 2
    }
    linear = torch.ops.quantized.linear_dynamic
    return weights, lambda x, name: linear(x, packed[name])


def _pack(weight: torch.Tensor, bias: torch.Tensor) -> Any:
    import torch

    scales = (weight.abs().amax(1) / 127).clamp_min(1e-12).double()
    zeros = torch.zeros(len(weight), dtype=torch.long)
    whole = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(whole, bias)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without the deprecation notes of torch's quantisation on a person's screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
