"""People drawn as clothed figures, so that detectors of people have something to see in videos with known truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from recon3d.errors import InputError
from recon3d.geometry import Camera, CameraRig
from recon3d.opencv import import_cv2
from recon3d.synthetic.people import Person

Colour = tuple[int, int, int]
_SKIN, _HAIR, _SHOE = (224, 172, 140), (60, 40, 30), (40, 40, 45)
_WALL = (205, 208, 212)
_LIMBS = (
    # joints, radii at both ends (m), part
    ("hip", "knee", 0.085, 0.06, "trousers"),
    ("knee", "ankle", 0.058, 0.042, "trousers"),
    ("ankle", "big_toe", 0.042, 0.035, "shoes"),
    ("heel", "big_toe", 0.04, 0.035, "shoes"),
    ("shoulder", "elbow", 0.055, 0.045, "shirt"),
    ("elbow", "wrist", 0.042, 0.034, "skin"),
)
_STEPS = 12  # discs along a limb


@dataclass(frozen=True, slots=True)
class Clothes:
    """Colours, RGB."""

    shirt: Colour = (180, 60, 50)
    trousers: Colour = (50, 70, 120)


def draw_figures(
    camera: Camera, people: Sequence[Person], frame: int, clothes: Sequence[Clothes], seed: int = 0
) -> UInt8[np.ndarray, "height width 3"]:
    """What a camera sees of some people in a bare room, RGB; who is nearer hides the others.

    Args:
        camera: that stands.
        people: in the layout halpe_26.
        frame: of their motion.
        clothes: of each.
        seed: of the noise of the image.
    """
    cv2 = import_cv2()
    width, height = camera.intrinsics.size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = _WALL
    discs: list[tuple[float, float, float, float, Colour]] = []
    for person, worn in zip(people, clothes, strict=True):
        discs += _discs(camera, _balls(person, frame, worn))
    for _, x, y, radius, colour in sorted(discs, key=lambda disc: -disc[0]):
        cv2.circle(image, (round(16 * x), round(16 * y)), max(round(16 * radius), 8), colour, -1, cv2.LINE_AA, 4)
    noise = np.random.default_rng([seed, frame]).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def write_figures(
    folder: Path, rig: CameraRig, people: Sequence[Person], clothes: Sequence[Clothes], fps: float, every: int = 1
) -> dict[str, Path]:
    """Videos of some people, ``<camera>.mp4`` each; of every n-th frame of their motion. The files by camera.

    Raises:
        InputError: a file cannot be written.
    """
    cv2, out = import_cv2(), dict[str, Path]()
    folder.mkdir(parents=True, exist_ok=True)
    for v, camera in enumerate(rig):
        out[camera.name] = folder / f"{camera.name}.mp4"
        writer = cv2.VideoWriter(str(out[camera.name]), cv2.VideoWriter.fourcc(*"mp4v"), fps, camera.intrinsics.size)
        if not writer.isOpened():
            raise InputError(f"{out[camera.name]} cannot be written as a video")
        for frame in range(0, len(people[0].keypoints), every):
            writer.write(cv2.cvtColor(draw_figures(camera, people, frame, clothes, v), cv2.COLOR_RGB2BGR))
        writer.release()
    return out


def _balls(person: Person, frame: int, worn: Clothes) -> list[tuple[Float[np.ndarray, "3"], float, Colour]]:
    """A body as balls: centre (m), radius (m), colour."""
    points = dict(zip(person.layout.points, person.keypoints[frame], strict=True))
    colours = {"trousers": worn.trousers, "shirt": worn.shirt, "skin": _SKIN, "shoes": _SHOE}
    out: list[tuple[np.ndarray, float, Colour]] = []
    for side in ("left", "right"):
        for upper, lower, ra, rb, part in _LIMBS:
            start, stop = points[f"{side}_{upper}"], points[f"{side}_{lower}"]
            for share in np.linspace(0, 1, _STEPS):
                dark = 1.0 - 0.12 * (side == "right")
                r, g, b = colours[part]
                out.append((start + share * (stop - start), ra + share * (rb - ra), (int(dark * r), int(dark * g), int(dark * b))))
        out.append((points[f"{side}_wrist"] * 1.12 - 0.12 * points[f"{side}_elbow"], 0.045, _SKIN))
    shoulders, hips = ([points[f"{s}_{n}"] for s in ("left", "right")] for n in ("shoulder", "hip"))
    for down in np.linspace(0, 1, _STEPS):
        a, b = ((1 - down) * shoulders[k] + down * hips[k] for k in range(2))
        for across in np.linspace(0.12, 0.88, 7):
            out.append((a + across * (b - a), 0.10, worn.shirt if down < 0.92 else worn.trousers))
    return out + _head(points, shoulders)


def _head(points: dict[str, np.ndarray], shoulders: list[np.ndarray]) -> list[tuple[Float[np.ndarray, "3"], float, Colour]]:
    ears = 0.5 * (points["left_ear"] + points["right_ear"])
    neck = 0.5 * (shoulders[0] + shoulders[1])
    up = (ears - neck) / np.linalg.norm(ears - neck)
    forward = points["nose"] - ears
    forward = forward / np.linalg.norm(forward)
    out: list[tuple[np.ndarray, float, Colour]] = [(neck + s * (ears - neck), 0.055, _SKIN) for s in np.linspace(0, 0.7, 5)]
    out += [(ears + 0.01 * forward - 0.03 * up, 0.085, _SKIN), (ears - 0.02 * forward + 0.03 * up, 0.098, _HAIR)]
    out += [(ears + 0.035 * forward - 0.01 * up, 0.075, _SKIN), (points["nose"] - 0.005 * forward, 0.014, (205, 145, 115))]
    for side in ("left", "right"):
        out += [
            (points[f"{side}_eye"] + 0.006 * forward, 0.013, (250, 250, 250)),
            (points[f"{side}_eye"] + 0.016 * forward, 0.008, (30, 30, 40)),
        ]
        out.append((points[f"{side}_ear"], 0.02, (205, 145, 115)))
    out.append((points["nose"] - 0.055 * up - 0.012 * forward, 0.016, (165, 80, 80)))
    return out


def _discs(camera: Camera, balls: Sequence[tuple[np.ndarray, float, Colour]]) -> list[tuple[float, float, float, float, Colour]]:
    """Depth, place and radius in the image (px)."""
    centre = np.stack([ball[0] for ball in balls])
    depth = (camera.cam_from_world @ centre)[:, 2]
    xy = camera.project(centre)
    focal = 0.5 * (camera.intrinsics.K[0, 0] + camera.intrinsics.K[1, 1])
    out: list[tuple[float, float, float, float, Colour]] = []
    for (_, radius, colour), z, (x, y) in zip(balls, depth.tolist(), xy.tolist(), strict=True):
        if z > 0.1 and np.isfinite(x) and np.isfinite(y):
            out.append((z - radius, x, y, focal * radius / z, colour))
    return out
