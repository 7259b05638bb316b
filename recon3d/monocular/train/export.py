"""A trained network as ONNX in half precision."""

import warnings
from pathlib import Path

import torch

from recon3d.monocular.points import POINTS
from recon3d.monocular.train.network import EXTRA, Lift


def export(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Write the network of these weights; windows and batches of any size."""
    network = Lift()
    network.load_state_dict(weights)
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
