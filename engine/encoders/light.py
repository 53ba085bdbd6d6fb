"""A BERT encoder without the transformers library, for the path of a key stroke.

Importing sentence-transformers takes most of a cold start; torch, safetensors and tokenizers alone
take a fraction of it. This reads the same directory and gives the same vectors (within 1e-5, which
tests hold it to) for the stock stack BERT, mean or CLS pooling, linear Dense, Normalize. Anything
else is left to sentence-transformers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

    Weights = dict[str, torch.Tensor]
    # A linear layer by its name in the weights: [batch, tokens, in] -> [batch, tokens, out].
    Project = Callable[[torch.Tensor, str], torch.Tensor]
    Adapt = Callable[[Weights], tuple[Weights, Project]]

# On two cores 16 short texts are quicker than 32 or 64: their activations stay in the cache.
_BATCH = 16


def load_light(directory: Path, adapt: Adapt | None = None) -> LightEncoder | None:
    """Read `directory` if its architecture is one this module knows, else return None.

    Args:
        adapt: what to make of the weights; by default they are used as they are.
    """
    try:
        config, stack = read_stack(directory)
        return LightEncoder(directory, config, stack, adapt or plain)
    except (OSError, KeyError, ValueError, TypeError):
        return None


def read_stack(directory: Path) -> tuple[dict[str, Any], list[tuple[str, Path]]]:
    """The Transformer's config, and the kind and directory of each module.

    Raises:
        OSError, KeyError, ValueError, TypeError: an architecture that this module does not know.
    """
    modules = json.loads((directory / "modules.json").read_text(encoding="utf-8"))
    stack = [(entry["type"].rsplit(".", 1)[-1], directory / entry["path"]) for entry in modules]
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    if not (_is_plain_bert(config) and (directory / "tokenizer.json").is_file()):
        raise ValueError(config.get("model_type"))
    if stack[0][0] != "Transformer":
        raise ValueError(stack[0][0])
    return config, stack


def plain(weights: Weights) -> tuple[Weights, Project]:
    """The weights and the linear layers as they are."""
    from torch.nn.functional import linear

    return weights, lambda x, name: linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


class LightEncoder:
    """The forward pass of a BERT sentence encoder on the CPU."""

    def __init__(
        self,
        directory: Path,
        config: dict[str, Any],
        stack: Sequence[tuple[str, Path]],
        adapt: Adapt,
    ) -> None:
        self._tokenizer, self._max_length = read_tokenizer(directory, config)
        self._weights, self._project = adapt(read_weights(directory / "model.safetensors"))
        self._config = config
        self._heads = [_head(kind, path) for kind, path in stack[1:]]
        self._query_prompt, self._document_prompt = read_prompts(directory)
        self.dim = int(self.encode_queries(["probe"]).shape[1])

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode([self._query_prompt + text for text in texts])

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode([self._document_prompt + text for text in texts])

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors: list[np.ndarray | None] = [None] * len(texts)
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                rows = order[start : start + _BATCH]
                for row, vector in zip(rows, self._batch([texts[i] for i in rows]), strict=True):
                    vectors[row] = vector
        return np.stack(vectors) if vectors else np.zeros((0, self.dim), np.float32)

    def _batch(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        encoded = [item.ids[: self._max_length] for item in self._tokenizer.encode_batch(texts)]
        width = max(map(len, encoded))
        ids = torch.zeros((len(texts), width), dtype=torch.long)
        mask = torch.zeros((len(texts), width), dtype=torch.bool)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = True
        allowed = None if mask.all() else mask
        vector = _bert(self._weights, self._project, self._config, ids, allowed).float()
        for head in self._heads:
            vector = head(vector, mask)
        norms = vector.norm(dim=1, keepdim=True).clamp_min(1e-12)
        return (vector / norms).float().numpy()


def _is_plain_bert(config: dict[str, Any]) -> bool:
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )


def read_tokenizer(directory: Path, config: dict[str, Any]) -> tuple[Any, int]:
    """The tokenizer, truncating and without padding, and the most tokens it gives.

    Raises:
        ValueError: the model wants lower-casing that the tokenizer does not do.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    path = directory / "sentence_bert_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if settings.get("do_lower_case"):
        raise ValueError("lower-casing outside the tokenizer")
    tokens = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    limits = (
        settings.get("max_seq_length"),
        tokens.get("model_max_length"),
        config["max_position_embeddings"],
    )
    # A saved model keeps the length it was given under the first name that is set.
    length = int(limits[0] or min(int(limit) for limit in limits[1:] if limit))
    tokenizer.enable_truncation(length)
    return tokenizer, length


def read_weights(path: Path) -> Weights:
    """BERT's weights in float32 by their names, without the prefix `bert.`."""
    from safetensors.torch import load_file

    found = {name.removeprefix("bert."): value.float() for name, value in load_file(path).items()}
    for name in [name for name in found if name.endswith((".gamma", ".beta"))]:
        kind = "weight" if name.endswith("gamma") else "bias"
        found[f"{name.rpartition('.')[0]}.{kind}"] = found.pop(name)
    return found


def read_prompts(directory: Path) -> tuple[str, str]:
    """What goes before a query and before a document, "" for nothing."""
    path = directory / "config_sentence_transformers.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    prompts = settings.get("prompts") or {}
    default = prompts.get(settings.get("default_prompt_name") or "", "")
    document = next(
        (prompts[k] for k in ("document", "passage", "corpus") if k in prompts), default
    )
    return prompts.get("query", default) or "", document or ""


def _head(kind: str, path: Path) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if kind == "Pooling":
        return _pooling(pooling_mode(path))
    if kind == "Dense":
        return _dense(path)
    if kind == "Normalize":
        return lambda vector, mask: vector
    raise ValueError(f"module {kind}")


def pooling_mode(path: Path) -> str:
    """How a Pooling module makes one vector of many: "mean" or "cls".

    Raises:
        ValueError: in a way that this module does not know.
    """
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    mode = config.get("pooling_mode")
    if mode is None:
        chosen = [k for k, v in config.items() if k.startswith("pooling_mode_") and v is True]
        names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
        mode = names[chosen[0]] if len(chosen) == 1 else chosen
    if config.get("include_prompt", True) is not True:
        raise ValueError("pooling without the prompt")
    if mode not in ("mean", "cls"):
        raise ValueError(f"pooling {mode}")
    return str(mode)


def _pooling(mode: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if mode == "cls":
        return lambda hidden, mask: hidden[:, 0]

    def mean(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1).clamp_min(1e-9)

    return mean


def read_dense(path: Path) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A linear Dense module's weight [out, in] and bias [out].

    Raises:
        ValueError: it has an activation function.
    """
    from safetensors.torch import load_file

    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    if not config["activation_function"].endswith("Identity"):
        raise ValueError(config["activation_function"])
    weights = load_file(path / "model.safetensors")
    return weights["linear.weight"], weights.get("linear.bias")


def _dense(path: Path) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    from torch.nn.functional import linear

    weight, bias = read_dense(path)
    return lambda vector, mask: linear(vector, weight, bias)


def _bert(
    w: Weights,
    project: Project,
    config: dict[str, Any],
    ids: torch.Tensor,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """BERT's last hidden state [batch, tokens, dim] (Devlin et al., 2019; exact GELU)."""
    from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

    size, heads = config["hidden_size"], config["num_attention_heads"]
    eps = config["layer_norm_eps"]

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return layer_norm(x, (size,), w[f"{name}.weight"], w[f"{name}.bias"], eps)

    def split(x: torch.Tensor) -> torch.Tensor:
        return x.view(*x.shape[:2], heads, size // heads).transpose(1, 2)

    e = "embeddings"
    x = (
        w[f"{e}.word_embeddings.weight"][ids]
        + w[f"{e}.position_embeddings.weight"][: ids.shape[1]]
        + w[f"{e}.token_type_embeddings.weight"][0]
    )
    x = norm(x, f"{e}.LayerNorm")
    allowed = None if mask is None else mask[:, None, None, :]
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        q, k, v = (
            split(project(x, f"{layer}.attention.self.{n}")) for n in ("query", "key", "value")
        )
        attended = scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        attended = attended.transpose(1, 2).reshape(x.shape)
        x = norm(
            x + project(attended, f"{layer}.attention.output.dense"),
            f"{layer}.attention.output.LayerNorm",
        )
        inner = gelu(project(x, f"{layer}.intermediate.dense"))
        x = norm(x + project(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return x
