"""INT8 variants of the body networks on balance4: how large, how fast, and how far from the float32 answer.

Calibrated on crops of cam01 and cam02, judged on those of cam03 and cam04.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from rich.console import Console
from rich.table import Table

from recon3d.detect import Network, load_card
from recon3d.detect.quantise import BODIES, looks_at, quantised
from recon3d.video import open_video
from tests.bench.table import Result, result

VIDEOS = Path(str(resources.files("recon3d"))) / "data" / "balance4" / "videos"
CALIBRATED, JUDGED = ("cam01", "cam02"), ("cam03", "cam04")
EVERY = 8  # frames
MIN_CONFIDENCE = 0.3
RUNS = 30
# Of the person's box diagonal: half as much again as was measured when this was written.
LIMIT_PERCENT = {
    "blazepose_full": 1.5, "blazepose_heavy": 1.0, "blazepose_lite": 1.5,
    "movenet_lightning": 1.5, "movenet_thunder": 1.0, "posenet": 1.5,
}  # fmt: skip


Looks = list[UInt8[np.ndarray, "rows columns 3"]]


@dataclass(frozen=True)
class Answer:
    """What a network says of each crop, px of the crop; NaN where it finds nobody."""

    xy: Float[np.ndarray, "crops joints 2"]
    confidence: Float[np.ndarray, "crops joints"]


def run() -> list[Result]:
    table = Table("model", "float MB", "INT8 MB", "float ms", "INT8 ms", "median off %", "90 % below %", "score, float", "INT8")
    results: list[Result] = []
    for name in BODIES:
        floats = Network(load_card(name), provider="cpu")
        judged = [look for image in frames(JUDGED) for look in looks_at(floats, image)]
        with tempfile.TemporaryDirectory() as folder:
            ints = Network(quantised(name, frames(CALIBRATED), Path(folder)), provider="cpu")
            ours, theirs = answered(ints, judged), answered(floats, judged)
            numbers = (megabytes(floats), megabytes(ints), *run_ms((floats, ints), judged))
        off = apart_percent(theirs, ours)
        median = float(np.median(off))
        table.add_row(
            name,
            *(f"{number:.1f}" for number in numbers),
            *(f"{number:.2f}" for number in (median, np.percentile(off, 90), theirs.confidence.mean(), ours.confidence.mean())),
        )
        beside = "float {0:.1f} MB, {2:.1f} ms; INT8 {1:.1f} MB, {3:.1f} ms, one thread".format(*numbers)
        results.append(result(f"edge.{name}_int8_off_percent", [median], "% of the box", LIMIT_PERCENT[name], "lower", beside=beside))
    Console(width=140).print(table)
    return results


def frames(cameras: tuple[str, ...]) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    for camera in cameras:
        for frame in open_video(camera, VIDEOS / f"{camera}.mp4").frames():
            if frame.number % EVERY == 0:
                yield frame.image


def answered(network: Network, looks: Looks) -> Answer:
    """The best person's points in each crop."""
    found = [network.decoder.decode(network.run(look), network.card) for look in looks]
    joints = len(network.card.points)
    xy = np.array([people.xy[0] if len(people) else np.full((joints, 2), np.nan) for people in found])
    return Answer(xy, np.array([people.confidence[0] if len(people) else np.zeros(joints) for people in found]))


def run_ms(networks: tuple[Network, ...], looks: Looks) -> list[float]:
    """The median time of a run on one thread, in turn: what else the machine does meets all alike."""
    seconds = np.zeros((RUNS, len(networks)))
    for k in range(RUNS):
        for row, network in enumerate(networks):
            start = time.perf_counter()
            network.run(looks[k % len(looks)])
            seconds[k, row] = time.perf_counter() - start
    return (1e3 * np.median(seconds, axis=0)).tolist()


def megabytes(network: Network) -> float:
    return (network.card.folder / network.card.file).stat().st_size / 1e6


def apart_percent(one: Answer, other: Answer) -> Float[np.ndarray, "points"]:
    """How far apart two answers are, % of the diagonal of the box round the first one's points, for each that it is sure of.

    Where only the other found nobody, all of its points count as a whole diagonal off.
    """
    there = one.confidence.max(1) >= MIN_CONFIDENCE
    xy = one.xy[there]
    diagonal = np.linalg.norm(xy.max(1) - xy.min(1), axis=-1)
    off = 100 * np.linalg.norm(other.xy[there] - xy, axis=-1) / diagonal[:, None]
    return np.where(np.isfinite(off), off, 100.0)[one.confidence[there] >= MIN_CONFIDENCE]
