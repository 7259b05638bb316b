"""Model cards: what a network is, where its file lies, and how its numbers are read."""

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from recon3d.errors import InputError, all_faults, valid_names
from recon3d.records import ScoreSigma, parse_score_sigma
from recon3d.skeleton import Layout, load_layout

_LARGEST = 8192  # px
_FOLDER = Path(str(resources.files("recon3d.detect"))) / "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A network, as its TOML card describes it.

    Attributes:
        name: as on the command line.
        file: beside the card, .onnx or .tflite.
        sha256: of the file; another content is refused.
        licence: of the weights.
        decoder: how its outputs are read.
        layout: of the keypoints, by name or as a file (.toml) beside the card.
        input: width and height, px.
        score_kind: what its scores are.
        sigma_share: sigma over the person's box diagonal, at a score of 1.
        min_score: a person's score below which it is not there.
        folder: of the card.
        title: for people.
        source: where the weights are from.
        mean: of each channel, taken from values of 0 to 255.
        std: that they are then divided by.
        channels: order that the network wants.
        margin: side of the crop over the person's box, or over the circle round the hips for one that is turned upright.
        outputs: names of the network's outputs in the order that the decoder reads them; none where the network has them so.
        options: of the decoder; what is not set holds as the decoder has it.
        sigma: by score and point, where it was learned (`recon3d calibrate scores`); else it follows from sigma_share.
    """

    name: str
    file: str
    sha256: str
    licence: str
    decoder: str
    layout: str
    input: tuple[int, int]
    score_kind: str
    sigma_share: float
    min_score: float
    folder: Path
    title: str = ""
    source: str = ""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: Literal["rgb", "bgr"] = "rgb"
    margin: float = 1.25
    outputs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    sigma: ScoreSigma | None = None

    def option(self, name: str) -> Any:
        """A setting of the decoder."""
        return self.options[name]

    def identity(self) -> str:
        """A hash of all that it says, of its layout, and of the files that its options name."""
        held = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("folder", "sigma")}
        held["sigma"] = None if self.sigma is None else self.sigma.as_table()
        held["points"] = [self.points.points, self.points.mirror.tolist()]
        named = [self.folder / value for value in self.options.values() if isinstance(value, str)]
        held["files"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in named if path.is_file()]
        return hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def points(self) -> Layout:
        """The layout itself."""
        own = self.folder / self.layout
        return load_layout(str(own) if self.layout.endswith(".toml") and own.is_file() else self.layout)


def card_names() -> tuple[str, ...]:
    """Names of the models that come with recon3d."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_card(name: str) -> ModelCard:
    """A shipped card by name, or a user's by the path of its TOML file.

    Raises:
        InputError: unknown name, or a card whose entries are missing or unknown.
    """
    path = _FOLDER / f"{name}.toml" if name in card_names() else Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise InputError(f"no model {name!r}; use one of {valid_names(card_names())}, or the path of a card (.toml)")
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"model card {path} is not TOML: {error}") from None
    return _parse(data, path)


def _parse(data: dict[str, Any], path: Path) -> ModelCard:
    wanted = {f.name: f for f in fields(ModelCard) if f.name != "folder"}
    needed = {name for name, f in wanted.items() if f.default is MISSING and f.default_factory is MISSING}
    faults = [f"entry {key!r} is missing{_hint(key, data, path)}" for key in sorted(needed - set(data))]
    faults += [f"unknown entry {key!r}" for key in sorted(set(data) - set(wanted))]
    for key in ("name", "title", "file", "sha256", "licence", "source", "decoder", "layout", "score_kind"):
        if key in data and not isinstance(data[key], str):
            faults.append(f"{key} must be a text")
    for key, length in (("input", 2), ("mean", 3), ("std", 3)):
        if key in data and not (_numbers(data[key], length) and (key == "mean" or min(data[key]) > 0)):
            faults.append(f"{key} must be {length} {'numbers' if key == 'mean' else 'positive numbers'}")
    if "input" in data and _numbers(data["input"], 2) and not all(isinstance(v, int) and v <= _LARGEST for v in data["input"]):
        faults.append(f"input must be whole numbers of at most {_LARGEST} px")
    for key in ("sigma_share", "min_score", "margin"):
        if key in data and not (_numbers([data[key]], 1) and data[key] >= 0):
            faults.append(f"{key} must be a number of 0 or more")
    if data.get("channels", "rgb") not in ("rgb", "bgr"):
        faults.append(f"channels must be rgb or bgr, not {data['channels']!r}")
    if not (isinstance(data.get("outputs", []), list) and all(isinstance(name, str) for name in data.get("outputs", []))):
        faults.append("outputs must be a list of names")
    if not isinstance(data.get("options", {}), dict):
        faults.append("options must be a table")
    if "sigma" in data:
        try:
            data["sigma"] = parse_score_sigma(data["sigma"], "table sigma")
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError(all_faults(faults, f"model card {path} cannot be used:"))
    for key in ("mean", "std"):
        if key in data:
            data[key] = tuple(float(v) for v in data[key])
    data["outputs"] = tuple(data.get("outputs", ()))
    width, height = data.pop("input")
    return ModelCard(**data, input=(int(width), int(height)), folder=path.parent)


def _numbers(value: Any, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == length
        and all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in value)
    )


def _hint(key: str, data: dict[str, Any], path: Path) -> str:
    """What a missing hash should be, since few know theirs."""
    file = path.parent / str(data.get("file", ""))
    return f": that of {file.name} is {hashlib.sha256(file.read_bytes()).hexdigest()}" if key == "sha256" and file.is_file() else ""
