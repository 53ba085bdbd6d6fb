"""A BERT sentence encoder as one ONNX graph: tokens in, unit vector out.

Written from the weights that `engine.encoders.light` reads, with onnxruntime's fused operators, so
that pooling, Dense and normalisation are in it and no exporter is needed. Inputs `input_ids` and
`attention_mask`, int64 [batch, tokens]; output `sentence_embedding`, float32 [batch, dim].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.encoders.light import pooling_mode, read_dense, read_stack, read_weights
from engine.errors import RankbenchError

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

PRECISIONS = ("int8", "int8-channel", "fp32")
_BLOCK = 128
_OPSET, _IR = 18, 9
_FUSED = "com.microsoft"
_INT8 = 4  # MatMulNBits' `accuracy_level`: the activations in 8 bits too
_LARGEST = 127
_TINY = 1e-12


def write_graph(directory: Path, target: Path, precision: str = "int8") -> None:
    """Write the encoder in `directory` as an ONNX graph.

    Args:
        precision: "int8": weights in symmetric 8 bits with a scale for each 128 inputs of a unit,
            activations with one for each 128 values of a token, so that (to rounding) a text's
            vector does not depend on its batch; "int8-channel": one scale for each unit and one
            for all activations of a batch, onnxruntime's dynamic quantisation; "fp32". The word
            embeddings have 8 bits and a scale a word in both int8.

    Raises:
        RankbenchError: its architecture is not BERT with mean or CLS pooling, or `onnx` is missing.
        OSError: the disk refuses.
    """
    try:
        import onnx
    except ImportError:
        raise RankbenchError(
            "Writing an int8 encoder needs the package onnx.", "Install it: `pip install onnx`."
        ) from None
    try:
        config, stack = read_stack(directory)
        weights = {
            name: value.numpy()
            for name, value in read_weights(directory / "model.safetensors").items()
        }
        model = _Graph(weights, config, precision).model(stack[1:])
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RankbenchError(
            f"{directory} cannot be made int8: its architecture is not a plain BERT ({error}).",
            "`--method pca` or `--method layers` take any sentence-transformers model.",
        ) from None
    onnx.save(model, target)


class _Graph:
    """The nodes and weights of one graph while it is put together."""

    def __init__(self, weights: dict[str, np.ndarray], config: dict[str, Any], precision: str):
        self._weights, self._config, self._precision = weights, config, precision
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def model(self, heads: Sequence[tuple[str, Path]]) -> Any:
        from onnx import TensorProto, helper

        vector = self._bert()
        dim = int(self._config["hidden_size"])
        for kind, path in heads:
            if kind == "Pooling":
                vector = self._pooled(vector, pooling_mode(path))
            elif kind == "Dense":
                weight, bias = (None if part is None else part.numpy() for part in read_dense(path))
                assert weight is not None
                vector, dim = self._dense(vector, weight, bias), int(weight.shape[0])
            elif kind != "Normalize":
                raise ValueError(f"module {kind}")
        self._add("LpNormalization", [vector], output="sentence_embedding", axis=-1, p=2)
        tokens = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        vectors = helper.make_tensor_value_info(
            "sentence_embedding", TensorProto.FLOAT, ["batch", dim]
        )
        graph = helper.make_graph(
            self._nodes, "encoder", tokens, [vectors], list(self._constants.values())
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR, producer_name="rankbench"
        )

    def _bert(self) -> str:
        """BERT's last hidden state, as `engine.encoders.light` computes it."""
        from onnx import TensorProto

        self._add("Cast", ["attention_mask"], output="mask", to=TensorProto.INT32)
        x = self._norm(self._embedded(), "embeddings.LayerNorm")
        for number in range(self._config["num_hidden_layers"]):
            layer = f"encoder.layer.{number}"
            own = [f"{layer}.attention.self.{name}" for name in ("query", "key", "value")]
            # The three share their input: one product is quicker than three.
            parts = self._add("Split", [self._linear(x, own)], outputs=3, axis=-1, num_outputs=3)
            heads = int(self._config["num_attention_heads"])
            attended = self._add(
                "MultiHeadAttention", [*parts, "", "mask"], domain=_FUSED, num_heads=heads
            )
            out = self._linear(attended[0], [f"{layer}.attention.output.dense"])
            x = self._norm(out, f"{layer}.attention.output.LayerNorm", x)
            inner = self._linear(x, [f"{layer}.intermediate.dense"])
            out = self._linear(
                self._add("Gelu", [inner], domain=_FUSED)[0], [f"{layer}.output.dense"]
            )
            x = self._norm(out, f"{layer}.output.LayerNorm", x)
        return x

    def _embedded(self) -> str:
        from onnx import TensorProto

        e = "embeddings"
        words = self._weights[f"{e}.word_embeddings.weight"]
        if self._precision == "fp32":
            x = self._add("Gather", [self._constant("words", words), "input_ids"])[0]
        else:
            scales = _scales(words)
            whole = self._constant("words", np.round(words / scales).astype(np.int8))
            chosen = self._add("Gather", [whole, "input_ids"])
            cast = self._add("Cast", chosen, to=TensorProto.FLOAT)
            scale = self._add("Gather", [self._constant("word_scales", scales), "input_ids"])
            x = self._add("Mul", [*cast, *scale])[0]
        places = self._weights[f"{e}.position_embeddings.weight"]
        places = places + self._weights[f"{e}.token_type_embeddings.weight"][0]
        length = self._add("Shape", ["input_ids"], start=1, end=2)[0]
        start = self._constant("zero", np.array([0], np.int64))
        first = self._add("Slice", [self._constant("places", places), start, length])[0]
        return self._add("Add", [x, first])[0]

    def _norm(self, x: str, name: str, residual: str = "") -> str:
        own = [self._constant(f"{name}.{k}", self._weights[f"{name}.{k}"]) for k in _AFFINE]
        eps = float(self._config["layer_norm_eps"])
        if not residual:
            return self._add("LayerNormalization", [x, *own], axis=-1, epsilon=eps)[0]
        return self._add("SkipLayerNormalization", [x, residual, *own], domain=_FUSED, epsilon=eps)[
            0
        ]

    def _linear(self, x: str, names: Sequence[str]) -> str:
        """The layers `names` of one input, side by side."""
        weight = np.concatenate([self._weights[f"{name}.weight"] for name in names])
        bias = np.concatenate([self._weights[f"{name}.bias"] for name in names])
        name = names[0]
        if self._precision == "fp32":
            return self._dense(x, weight, bias, name)
        if self._precision == "int8-channel":
            scales = _scales(weight)
            values = [
                (f"{name}.int8", np.round(weight / scales).astype(np.int8).T),
                (f"{name}.scales", scales[:, 0]),
                (f"{name}.zeros", np.zeros(len(weight), np.int8)),
                (f"{name}.bias", bias),
            ]
            inputs = [x, *(self._constant(*value) for value in values)]
            return self._add("DynamicQuantizeMatMul", inputs, domain=_FUSED)[0]
        blocks, scales = _in_blocks(weight)
        inputs = [
            x,
            self._constant(f"{name}.int8", blocks),
            self._constant(f"{name}.scales", scales),
            "",  # no zero points: symmetric
            "",
            self._constant(f"{name}.bias", bias),
        ]
        sizes = {"K": weight.shape[1], "N": weight.shape[0], "bits": 8, "block_size": _BLOCK}
        return self._add("MatMulNBits", inputs, domain=_FUSED, accuracy_level=_INT8, **sizes)[0]

    def _dense(self, x: str, weight: np.ndarray, bias: np.ndarray | None, name: str = "") -> str:
        name = name or f"dense_{len(self._nodes)}"
        x = self._add("MatMul", [x, self._constant(f"{name}.weight", weight.T)])[0]
        if bias is None:
            return x
        return self._add("Add", [x, self._constant(f"{name}.bias", bias)])[0]

    def _pooled(self, x: str, mode: str) -> str:
        from onnx import TensorProto

        one = self._constant("one", np.array([1], np.int64))
        if mode == "cls":
            first = self._constant("first", np.array(0, np.int64))
            return self._add("Gather", [x, first], axis=1)[0]
        weight = self._add("Cast", ["attention_mask"], to=TensorProto.FLOAT)
        column = self._constant("last", np.array([2], np.int64))
        weight = self._add("Unsqueeze", [*weight, column])
        total = self._add("ReduceSum", [*self._add("Mul", [x, *weight]), one], keepdims=0)
        return self._add("Div", [*total, *self._add("ReduceSum", [*weight, one], keepdims=0)])[0]

    def _constant(self, name: str, values: np.ndarray) -> str:
        from onnx import numpy_helper

        if name not in self._constants:
            if values.dtype == np.float64:
                values = values.astype(np.float32)
            self._constants[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def _add(
        self,
        kind: str,
        inputs: Sequence[str],
        *,
        outputs: int = 1,
        output: str = "",
        domain: str = "",
        **settings: Any,
    ) -> list[str]:
        from onnx import helper

        number = len(self._nodes)
        names = [output] if output else [f"{kind}_{number}_{i}" for i in range(outputs)]
        self._nodes.append(
            helper.make_node(kind, inputs, names, f"{kind}_{number}", domain=domain, **settings)
        )
        return names


_AFFINE = ("weight", "bias")


def _scales(weight: np.ndarray) -> np.ndarray:
    """What one step of 8 bits stands for in each row, [rows, 1]; symmetric."""
    largest = np.abs(weight).max(axis=1, keepdims=True)
    return np.maximum(largest / _LARGEST, _TINY).astype(np.float32)


def _in_blocks(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A weight [out, in] as MatMulNBits wants it: uint8 around 128, [out, blocks, 128], and the
    blocks' scales [out, blocks]; the last block is filled up with zeros."""
    rows, columns = weight.shape
    count = -(-columns // _BLOCK)
    padded = np.zeros((rows, count * _BLOCK), np.float32)
    padded[:, :columns] = weight
    blocks = padded.reshape(rows * count, _BLOCK)
    scales = _scales(blocks)
    whole = (np.round(blocks / scales) + 128).astype(np.uint8)
    return whole.reshape(rows, count, _BLOCK), scales.reshape(rows, count)
