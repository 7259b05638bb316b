"""The report page: one HTML file, no network, with plots and 3D skeletons that play."""

import html
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from recon3d.arrays import freeze_fields
from recon3d.io.files import atomic, plain


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What the page plays.

    Attributes:
        title: of the take.
        time: s.
        names: of the people.
        keypoints: triangulated, m, z up; NaN where missing.
        bones: pairs of keypoints to draw a line between.
        joints: of the fitted armature, m.
        parents: of the armature's joints.
        cameras: position (m) and viewing direction by name.
        angles: of each person's joints by name, degrees; NaN where missing.
    """

    title: str
    time: Float[np.ndarray, "frames"]
    names: tuple[str, ...]
    keypoints: Float[np.ndarray, "frames people points 3"]
    bones: Int[np.ndarray, "bones 2"]
    joints: Float[np.ndarray, "frames people joints 3"]
    parents: Int[np.ndarray, "joints"]
    cameras: dict[str, tuple[np.ndarray, np.ndarray]]
    angles: tuple[dict[str, np.ndarray], ...] = ()

    def __post_init__(self) -> None:
        freeze_fields(self)


def write_page(path: Path, summary: dict[str, Any], scene: Scene) -> None:
    """Write the page; all data and code are inside it."""
    template = (resources.files("recon3d.view") / "page.html").read_text(encoding="utf-8")
    data = {
        "summary": summary,
        "names": scene.names,
        "time": np.round(scene.time, 4),
        "keypoints": np.round(scene.keypoints, 4),
        "bones": scene.bones,
        "joints": np.round(scene.joints, 4),
        "parents": scene.parents,
        "angles": [{name: np.round(angle, 1) for name, angle in one.items()} for one in scene.angles],
        "cameras": {name: [centre, axis] for name, (centre, axis) in scene.cameras.items()},
    }
    text = json.dumps(plain(data), allow_nan=False).replace("</", "<\\/")
    page = template.replace("{{title}}", html.escape(scene.title)).replace("{{data}}", text)
    with atomic(path) as stream:
        stream.write(page)
