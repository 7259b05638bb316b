"""Small networks with the inputs and outputs of real ones: they answer what the test tells them, whatever they see."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from recon3d.detect import ModelCard, Network, load_card

TYPES = {"float": TensorProto.FLOAT, "int32": TensorProto.INT32, "uint8": TensorProto.UINT8}


def network(folder: Path, decoder: str, answers: dict[str, np.ndarray], *shape: Any, **entries: Any) -> Network:
    """A network behind a card, written as a user would write one; see `card`."""
    return Network(card(folder, decoder, answers, *shape, **entries))


def card(
    folder: Path,
    decoder: str,
    answers: dict[str, np.ndarray],
    layout: str = "coco_17",
    size: tuple[int, int] = (192, 256),
    input_type: str = "float",
    channels_last: bool = False,
    **entries: object,
) -> ModelCard:
    """A card and its ONNX file, whose graph gives these answers; entries beyond the usual ones are the test's."""
    shape = [1, size[1], size[0], 3] if channels_last else [1, 3, size[1], size[0]]
    nodes = []
    constants = [numpy_helper.from_array(np.array([0.0], np.float32), "zero")]
    # The mean of the input times nothing: the graph depends on its input, as every graph that runs must.
    nodes.append(helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("ReduceMean", ["cast"], ["mean"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    for name, value in answers.items():
        constants.append(numpy_helper.from_array(value.astype(np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
    graph = helper.make_graph(
        nodes,
        "answers",
        [helper.make_tensor_value_info("image", TYPES[input_type], shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in answers.items()],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "mine.onnx")
    content = {
        "name": "mine",
        "title": "A user's network",
        "file": "mine.onnx",
        "sha256": hashlib.sha256((folder / "mine.onnx").read_bytes()).hexdigest(),
        "licence": "mine",
        "source": "me",
        "decoder": decoder,
        "layout": layout,
        "input": list(size),
        "score_kind": "heatmap",
        "sigma_share": 0.01,
        "min_score": 0.1,
        **entries,
    }
    lines = [f"{key} = {_toml(value)}" for key, value in content.items()]
    (folder / "mine.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_card(str(folder / "mine.toml"))


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def blobs(places: np.ndarray, shape: tuple[int, int], sigma: float = 2.0) -> np.ndarray:
    """A Gaussian a point at these cells (x, y) in maps of so many rows and columns."""
    y, x = np.indices(shape)
    return np.exp(-0.5 * ((x - places[:, :1, None]) ** 2 + (y - places[:, 1:, None]) ** 2) / sigma**2)
