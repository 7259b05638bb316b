"""INT8 variants of the body networks that come with recon3d, calibrated on the user's own pictures.

Weights and what runs between the layers become integers of 8 bits, per channel of a convolution. The first layers and the
last ones stay as they are: with the first in INT8, MoveNet Thunder's error is half as large again; with the last, BlazePose
heavy's is twenty times as large. `tests/bench/edge.py` measures what is won and lost. With AVX2 alone, a quarter of
MoveNet Thunder's time is saved, a third of PoseNet's and a tenth of Lightning's; BlazePose heavy is hardly faster, its smaller
ones are slower. A processor with instructions for INT8 (VNNI, Arm's dot product) was not there to measure on.
"""

import functools
import importlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from recon3d.detect.affine import letterboxed, warped
from recon3d.detect.card import ModelCard, load_card
from recon3d.detect.network import Network
from recon3d.errors import InputError, SetupError, valid_names

BODIES = ("blazepose_full", "blazepose_heavy", "blazepose_lite", "movenet_lightning", "movenet_thunder", "posenet")
"""Cards that can be quantised: networks of one input size that look at a body."""
_FINDER = "movenet_multipose"
_FIRST = 3  # convolutions from the input on that stay as they are
_BYTES = ("blazepose",)
"""Decoders of networks that need all 8 bits of a weight: 7 double BlazePose's worst errors. The others' are 7 bits, since
AVX2 without VNNI adds products of 8 in 16 bits, which overflow; 8 bits without a sign take it a third to a half longer."""


def quantised(card_name: str, images: Iterable[UInt8[np.ndarray, "height width 3"]], folder: Path) -> ModelCard:
    """The INT8 variant of a network, written with its card to a folder; `load_card` takes the card's path.

    Args:
        card_name: one of `BODIES`.
        images: of people as the network will see them: some twenty from all cameras will do; RGB.
        folder: for ``<name>_int8.onnx`` and ``<name>_int8.toml``.

    Raises:
        InputError: another card, or images in which nobody is found.
        SetupError: the package onnx is not installed.
    """
    if card_name not in BODIES:
        raise InputError(f"model {card_name!r} cannot be quantised; use one of {valid_names(BODIES)}")
    onnx, quantization = _packages()
    network = Network(load_card(card_name), provider="cpu")
    looked_at = [look for image in images for look in looks_at(network, image)]
    if not looked_at:
        raise InputError(f"nobody is found in the images that model {card_name} should be calibrated on")
    card, kind = network.card, quantization.QuantType
    path = folder / f"{card_name}_int8.onnx"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model = _folded(onnx, card.folder / card.file, Path(scratch) / "folded.onnx")
        name = model.graph.input[0].name
        quantization.quantize_static(
            model,
            path,
            _reader(quantization, [{name: network.values(look)} for look in looked_at]),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=card.decoder not in _BYTES,
            activation_type=kind.QUInt8,
            weight_type=kind.QUInt8 if card.decoder in _BYTES else kind.QInt8,
            nodes_to_exclude=_spared(model.graph),
        )
    made = replace(
        load_card(card_name),
        name=f"{card_name}_int8",
        title=f"{card.title}, INT8",
        file=path.name,
        sha256=sha256(path.read_bytes()).hexdigest(),
        source=f"{card.source}; quantised to INT8 on {len(looked_at)} crops of the user's pictures",
        folder=folder,
    )
    toml = folder / f"{card_name}_int8.toml"
    toml.write_text(_as_toml(made), encoding="utf-8")
    return load_card(str(toml))


def looks_at(network: Network, image: UInt8[np.ndarray, "height width 3"]) -> list[UInt8[np.ndarray, "rows columns 3"]]:
    """What a network is shown of an image: all of it, or the crop of each person that is found."""
    if network.decoder.whole:
        return [letterboxed(image, network.card.input)[0]]
    finder = _finder()
    found = finder.people(image)
    crops = [network.crop(xy, confidence, finder.card.points) for xy, confidence in zip(found.xy, found.confidence, strict=True)]
    return [warped(image, to_input, network.card.input) for to_input in crops]


@functools.cache
def _finder() -> Network:
    return Network(load_card(_FINDER))


def _packages() -> tuple[Any, Any]:
    try:
        return importlib.import_module("onnx"), importlib.import_module("onnxruntime.quantization")
    except ImportError as error:
        raise SetupError(f"quantising needs the package onnx: {error}; pip install 'recon3d[edge]'") from None


def _folded(onnx: Any, source: Path, target: Path) -> Any:
    """The network with its float16 weights as float32 and what is constant worked out, every node named."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    model = onnx.load(target)
    for k, node in enumerate(model.graph.node):
        node.name = f"node_{k}"
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")  # done: the quantiser need not ask for it
    return model


def _spared(graph: Any) -> list[str]:
    """Names of the convolutions that stay float: the first ones, and those nearest to each output."""
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    maker = {output: node for node in graph.node for output in node.output}
    last: set[str] = set()
    known: set[str] = set()
    waiting = [output.name for output in graph.output]
    while waiting:
        node = maker.get(waiting.pop())
        if node is None or node.name in known:
            continue
        known.add(node.name)
        if node.op_type == "Conv":
            last.add(node.name)
        else:
            waiting.extend(node.input)
    return sorted({*convolutions[:_FIRST], *last})


def _reader(quantization: Any, feeds: list[dict[str, Shaped[np.ndarray, "..."]]]) -> Any:
    """The inputs to calibrate on, one a call, as onnxruntime asks for them."""

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> dict[str, Shaped[np.ndarray, "..."]] | None:
            return next(self.left, None)

    return Reader()


def _as_toml(card: ModelCard) -> str:
    held = {f.name: getattr(card, f.name) for f in fields(card) if f.name not in ("folder", "sigma")}
    if card.sigma is not None:
        held["sigma"] = card.sigma.as_table()
    return "".join(f"{key} = {_value(value)}\n" for key, value in held.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_value(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # texts, numbers and truths are alike in both
