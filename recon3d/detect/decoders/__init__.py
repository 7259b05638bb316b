"""How a network's numbers become people: one function a family of networks.

Add one with ``DECODERS["mine"] = Decoder(my_function, whole=False)``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recon3d.detect.card import ModelCard
from recon3d.detect.crops import Crop, face_up, hand_up, trunk_up
from recon3d.detect.decoders import blazepose, face, fields, posenet, topdown, yolo
from recon3d.detect.decoders.affinity import OPTIONS as AFFINITY
from recon3d.detect.decoders.affinity import affinity
from recon3d.detect.decoders.densepose import OPTIONS as DENSEPOSE
from recon3d.detect.decoders.densepose import densepose
from recon3d.detect.decoders.hand import hand
from recon3d.detect.decoders.movenet import movenet_multi, movenet_single
from recon3d.detect.people import People


@dataclass(frozen=True, slots=True)
class Decoder:
    """One way to read a network.

    Attributes:
        decode: from its outputs, for one image, to people in pixels of its input.
        whole: the network looks at a whole image and finds several people; else at the crop of one.
        crop: what it looks at, where that is not the upright box of the points.
        bodies: it finds whole bodies, which can be followed; else parts that something else has found.
        options: what a card may set, with what holds where it does not.
    """

    decode: Callable[[Sequence[np.ndarray], ModelCard], People]
    whole: bool = False
    crop: Crop | None = None
    bodies: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


DECODERS: dict[str, Decoder] = {
    "heatmap": Decoder(topdown.heatmap, options=topdown.HEATMAP),
    "simcc": Decoder(topdown.simcc, options=topdown.SIMCC),
    "regression": Decoder(topdown.regression, options=topdown.REGRESSION),
    "movenet_single": Decoder(movenet_single),
    "blazepose": Decoder(blazepose.blazepose, crop=trunk_up, options=blazepose.OPTIONS),
    "densepose": Decoder(densepose, options=DENSEPOSE),
    "hand": Decoder(hand, crop=hand_up, bodies=False),
    "face_mesh": Decoder(face.face_mesh, crop=face_up, bodies=False),
    "face_detector": Decoder(face.face_detector, whole=True, bodies=False, options=face.DETECTOR),
    "movenet_multi": Decoder(movenet_multi, whole=True),
    "yolo_pose": Decoder(yolo.yolo_pose, whole=True, options=yolo.OPTIONS),
    "posenet": Decoder(posenet.posenet, whole=True, options=posenet.OPTIONS),
    "affinity": Decoder(affinity, whole=True, options=AFFINITY),
    "composite_fields": Decoder(fields.composite_fields, whole=True, options=fields.OPTIONS),
}
"""By the name that a card gives."""

__all__ = ["DECODERS", "Decoder"]
