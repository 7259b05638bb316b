"""Model cards: what a network is, where its file lies, and how its numbers are read."""

import functools
import hashlib
import tomllib
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from recon3d.errors import InputError, SetupError, all_faults, valid_names
from recon3d.skeleton import Layout, load_layout

_FOLDER = Path(str(resources.files("recon3d.detect"))) / "models"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A network, as its TOML card describes it.

    Attributes:
        name: as on the command line.
        title: for people.
        file: ONNX file beside the card.
        sha256: of the file; another content is refused.
        licence: of the weights.
        source: where they are from.
        decoder: how its outputs are read.
        layout: of the keypoints.
        input: width and height, px.
        score_kind: what its scores are.
        sigma_share: sigma over the person's box diagonal, at a score of 1.
        min_score: a person's score below which it is not there.
        folder: of the card.
    """

    name: str
    title: str
    file: str
    sha256: str
    licence: str
    source: str
    decoder: str
    layout: str
    input: tuple[int, int]
    score_kind: str
    sigma_share: float
    min_score: float
    folder: Path

    @property
    def points(self) -> Layout:
        """The layout itself."""
        return load_layout(self.layout)


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
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"model card {path} is not TOML: {error}") from None
    wanted = {f.name for f in fields(ModelCard)} - {"folder"}
    faults = [f"entry {key!r} is missing" for key in sorted(wanted - set(data))]
    faults += [f"unknown entry {key!r}" for key in sorted(set(data) - wanted)]
    if faults:
        raise InputError(all_faults(faults, f"model card {path} cannot be used:"))
    width, height = data.pop("input")
    return ModelCard(**data, input=(int(width), int(height)), folder=path.parent)


@functools.cache
def _verified(path: Path, sha256: str) -> bytes:
    if not path.is_file():
        raise InputError(f"model file {path} is not there")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"model file {path} is not the one its card names (sha256 {found}, expected {sha256})")
    return content


def open_session(card: ModelCard, threads: int) -> Any:
    """An onnxruntime session of the card's file, its hash checked."""
    try:
        import onnxruntime  # slow to load, so only where a network runs
    except ImportError as error:
        raise SetupError(f"onnxruntime does not load: {error}; reinstall it with pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = _verified(card.folder / card.file, card.sha256)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
