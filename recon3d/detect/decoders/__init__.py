"""How a network's numbers become people: one function a family of networks.

Add one with ``DECODERS["mine"] = Decoder(my_function, whole=False)``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recon3d.detect.card import ModelCard
from recon3d.detect.decoders import blazepose, fields, posenet, topdown, yolo
from recon3d.detect.decoders.affinity import OPTIONS as AFFINITY
from recon3d.detect.decoders.affinity import affinity
from recon3d.detect.decoders.movenet import movenet_multi, movenet_single
from recon3d.detect.people import People


@dataclass(frozen=True, slots=True)
class Decoder:
    """One way to read a network.

    Attributes:
        decode: from its outputs, for one image, to people in pixels of its input.
        whole: the network looks at a whole image and finds several people; else at the crop of one.
        turned: its crop is turned so that the trunk stands upright.
        options: what a card may set, with what holds where it does not.
    """

    decode: Callable[[Sequence[np.ndarray], ModelCard], People]
    whole: bool = False
    turned: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


DECODERS: dict[str, Decoder] = {
    "heatmap": Decoder(topdown.heatmap, options=topdown.HEATMAP),
    "simcc": Decoder(topdown.simcc, options=topdown.SIMCC),
    "regression": Decoder(topdown.regression, options=topdown.REGRESSION),
    "movenet_single": Decoder(movenet_single),
    "blazepose": Decoder(blazepose.blazepose, turned=True, options=blazepose.OPTIONS),
    "movenet_multi": Decoder(movenet_multi, whole=True),
    "yolo_pose": Decoder(yolo.yolo_pose, whole=True, options=yolo.OPTIONS),
    "posenet": Decoder(posenet.posenet, whole=True, options=posenet.OPTIONS),
    "affinity": Decoder(affinity, whole=True, options=AFFINITY),
    "composite_fields": Decoder(fields.composite_fields, whole=True, options=fields.OPTIONS),
}
"""By the name that a card gives."""

__all__ = ["DECODERS", "Decoder"]
