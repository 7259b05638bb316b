"""``python -m recon3d.monocular.train.scores --mocap FOLDER --body FILE [--network FILE]``: a network's errors on people held out.

By action (HDM05), by person (CMU) and by layout; random cameras, detectors' noise, windows of 81 frames at 30 frames/s.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from recon3d.metrics import aligned_error, coverage, scaled_error
from recon3d.monocular.lifter import answer, attention, flipped, shipped, unflipped
from recon3d.monocular.points import EVALUATED, JOINTS
from recon3d.monocular.train.mocap import Clips, read_clips
from recon3d.monocular.train.noise import DetectorNoise
from recon3d.monocular.train.sample import Batch, Sampler, SampleSettings

WHOLE = DetectorNoise(cut_share=0.0)
USUAL = SampleSettings(augment=False, up_known=0.0, layout="coco_17", fps=30.0, noise=WHOLE)
"""How networks are judged: COCO's points, a detector's noise, nothing known of the camera; people are wholly in the picture."""
_COLUMNS = [JOINTS.index(name) for name in EVALUATED]
_WINDOWS, _FRAMES = 48, 81


@dataclass(frozen=True)
class ScoreSettings:
    """What to judge, on what."""

    mocap: Path
    """Folder of the mocap30 files."""
    body: Path
    """open_body.npz."""
    network: Path | None = None
    """An .onnx file; the shipped one by default."""
    seed: int = 7
    """Of windows, cameras and noise."""


@dataclass(frozen=True)
class Score:
    """Of one kind of windows: means over frames, mm; share of joints inside their 95 % ellipsoid."""

    name: str
    frames: int
    n_mm: float
    pa_mm: float
    inside: float


def judged(session: Any, batch: Batch, name: str = "") -> Score:
    """A network's answers for a batch; ``inside`` is NaN for networks without covariances."""
    wanted = {one.name for one in session.get_inputs()}
    given = {"points": batch.points, "extra": batch.extra, "time": batch.time}
    given["mask"] = np.stack([attention(there > 0, False) for there in batch.there])
    given = {key: value for key, value in given.items() if key in wanted}
    covariance: np.ndarray | None = None
    if "mask" in wanted:
        joints, covariance, _, _ = answer(session, given, True)
    else:
        other = session.run(None, {key: flipped(key, value) for key, value in given.items()})[0]
        joints = 0.5 * (session.run(None, given)[0] + unflipped(other))
    n_off, pa_off = pose_errors(joints, batch)
    share = float("nan") if covariance is None else _inside(joints, covariance, batch)
    return Score(name, len(n_off), float(n_off.mean()), float(pa_off.mean()), share)


def pose_errors(joints: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """N- and PA- errors (mm) of all frames, of joints that are known: what a source has made up is no truth.

    Args:
        joints: answers; of the middle frames only where a network needs others round them.
        batch: with the truth.
    """
    cut = (batch.there.shape[1] - joints.shape[1]) // 2
    rows = slice(cut, batch.there.shape[1] - cut)
    n_off: list[np.ndarray] = []
    pa_off: list[np.ndarray] = []
    for found, true, there, known in zip(joints, batch.joints[:, rows], batch.there[:, rows] > 0, batch.known > 0, strict=True):
        own = [j for j in _COLUMNS if known[j]]
        a, b = found[there][:, own], true[there][:, own].astype(float)
        n_off.append(scaled_error(a, b))
        pa_off.append(aligned_error(a, b))
    return np.concatenate(n_off), np.concatenate(pa_off)


def _inside(joints: np.ndarray, covariance: np.ndarray, batch: Batch) -> float:
    """Share of known joints within their 95 % ellipsoid; the pelvis, which is where it is, apart."""
    good = (batch.there[:, :, None] * batch.known[:, None] > 0)[..., 1:]
    off = (joints - batch.joints)[..., 1:, :][good]
    return coverage(off, np.zeros_like(off), covariance[..., 1:, :, :][good])


def scores(settings: ScoreSettings) -> Iterator[Score]:
    """All rows of the table."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(settings.network or shipped()), providers=["CPUExecutionProvider"])
    _, hdm05, cmu = read_clips(settings.mocap, settings.body)

    def row(name: str, clips: Clips, how: SampleSettings = USUAL) -> Score:
        return judged(session, Sampler(clips, how, settings.seed).batch(_WINDOWS, _FRAMES), name)

    action = [re.sub(r"^.*HDM_[a-z]+_|_\d+_\d+$", "", name) for name in hdm05.name]
    for one in sorted(set(action)):
        yield row(f"hdm05 {one}", hdm05.select(np.array([a == one for a in action])))
    for one in sorted(set(cmu.person)):
        yield row(f"cmu {one}", cmu.select(np.array([p == one for p in cmu.person])))
    exact = DetectorNoise(burst_share=0.0, swap_share=0.0, hidden_share=0.0, cut_share=0.0)
    cut = DetectorNoise(cut_share=1.0)
    for name, clips in (("hdm05", hdm05), ("cmu", cmu)):
        yield row(f"{name} all", clips)
        yield row(f"{name} up known", clips, replace(USUAL, up_known=1.0))
        yield row(f"{name} halpe_26", clips, replace(USUAL, layout="halpe_26"))
        yield row(f"{name} nothing hidden or mixed up", clips, replace(USUAL, noise=exact))
        yield row(f"{name} cut off by the picture's edge", clips, replace(USUAL, noise=cut))
        yield row(f"{name} exact points", clips, replace(USUAL, noise=None))


if __name__ == "__main__":
    for score in scores(tyro.cli(ScoreSettings, description="Errors of a lifter on people it has not seen.")):
        line = f"{score.name:40s} {score.frames:6d} frames  N- {score.n_mm:6.1f} mm  PA- {score.pa_mm:6.1f} mm  inside {score.inside:.3f}"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
