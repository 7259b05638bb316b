"""A trained network as ONNX in half precision."""

import math
import warnings
from pathlib import Path
from typing import Literal

import torch

from recon3d.monocular.points import JOINTS, POINTS
from recon3d.monocular.train.network import EXTRA, FrameMlp, FrameTcn, Lift


def export(weights: dict[str, torch.Tensor], path: Path, wider: float = 1.0) -> None:
    """Write the network of these weights; windows and batches of any size.

    Args:
        weights: of a `Lift`.
        path: of the file.
        wider: factor on the sigmas that it tells.
    """
    network = Lift()
    network.load_state_dict(weights)
    _widen(network, wider)
    network.train(False)
    frames = 9
    given = (
        torch.zeros(1, frames, len(POINTS), 3),
        torch.zeros(1, frames, EXTRA),
        torch.arange(frames)[None] / 30.0,
        torch.zeros(1, frames, frames),
    )
    names = ["points", "extra", "time", "mask"]
    outputs = ["joints", "shape", "root", "root_log_sigma"]
    axes = {name: {0: "batch", 1: "frames"} for name in (*names, *outputs)}
    axes["mask"][2] = "frames"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the exporter that needs nothing more to be installed
        torch.onnx.export(network, given, str(path), input_names=names, output_names=outputs, dynamic_axes=axes, dynamo=False)
    _halve(path)


def export_baseline(kind: Literal["mlp", "tcn"], weights: dict[str, torch.Tensor], path: Path) -> None:
    """Write a baseline, which has neither times nor masks nor covariances."""
    network = {"mlp": FrameMlp, "tcn": FrameTcn}[kind]()
    network.load_state_dict(weights)
    network.train(False)
    frames = 81
    given = (torch.zeros(1, frames, len(POINTS), 3), torch.zeros(1, frames, EXTRA))
    axes = {name: {0: "batch", 1: "frames"} for name in ("points", "extra", "joints")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        inputs, outputs = ["points", "extra"], ["joints"]
        torch.onnx.export(network, given, str(path), input_names=inputs, output_names=outputs, dynamic_axes=axes, dynamo=False)
    _halve(path)


def _widen(network: Lift, factor: float) -> None:
    """Whiteners of all joints over a factor: logarithms on the diagonal, numbers beside it."""
    last = network.doubt[-1]
    assert isinstance(last, torch.nn.Linear)
    row = torch.arange(len(JOINTS) * 6)
    logarithm, number = row[row % 6 < 3], row[row % 6 >= 3]
    with torch.no_grad():
        last.bias[logarithm] -= math.log(factor)
        last.bias[number] /= factor
        last.weight[number] /= factor


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """The weights that a file was written with, as far as half precision keeps them: to train on from a network that is there."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    held = {t.name.removesuffix("_16"): torch.from_numpy(numpy_helper.to_array(t).astype("float32")) for t in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    out = {name: value for name, value in held.items() if "::" not in name}
    named: set[str] = set()
    # A matrix has no name of its own in the file; the bias that is added to what it makes has.
    for node in graph.node:
        biases = [name for name in node.input if name.endswith(".bias") and name in held] if node.op_type == "Add" else []
        for bias in biases:
            product = next(made_by[name] for name in node.input if name in made_by and made_by[name].op_type == "MatMul")
            matrix = next(name for name in product.input if name in held)
            out[f"{bias.removesuffix('.bias')}.weight"] = held[matrix].T.contiguous()
            named.add(matrix)
    (alone,) = (name for name in held if "::" in name and name not in named)
    out["across.weight"] = held[alone].T.contiguous()
    return out


def _halve(path: Path) -> None:
    """Weights as 16-bit numbers, cast back when they are loaded: half the size, and the arithmetic stays as it was."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 64:
            name = f"{tensor.name}_16"
            kept.append(numpy_helper.from_array(values.astype(np.float16), name))
            casts.append(helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
        else:
            kept.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
