"""INT8 variants, made of the user's own pictures."""

import functools
import sys

import numpy as np
import pytest

from recon3d.detect import Network, card_names, load_card
from recon3d.detect.quantise import BODIES, _as_toml, looks_at, quantised
from recon3d.errors import InputError, SetupError
from recon3d.video import open_video
from tests.worlds import BALANCE4

GREY = np.full((64, 64, 3), 128, np.uint8)


@functools.cache
def frame(camera: str):
    (found,) = open_video(camera, BALANCE4 / "videos" / f"{camera}.mp4").frames(10, 11)
    return found.image


@pytest.mark.slow
@pytest.mark.parametrize("name", ["movenet_lightning", "posenet"])
def test_the_integers_answer_as_the_floats_do(tmp_path, name):
    card = quantised(name, [frame("cam01"), frame("cam02")], tmp_path / "new")
    assert (card.name, card.folder) == (f"{name}_int8", tmp_path / "new")
    assert _held(load_card(str(tmp_path / "new" / f"{name}_int8.toml"))) == _held(card)
    floats, ints = Network(load_card(name), provider="cpu"), Network(card, provider="cpu")
    assert (card.folder / card.file).stat().st_size < 0.7 * (floats.card.folder / floats.card.file).stat().st_size
    offs = []
    for look in (look for camera in ("cam03", "cam04") for look in looks_at(floats, frame(camera))):
        one, other = (net.decoder.decode(net.run(look), net.card) for net in (floats, ints))
        sure = one.confidence[0] > 0.3
        diagonal = np.linalg.norm(np.ptp(one.xy[0], axis=0))
        offs.append(np.linalg.norm(one.xy[0] - other.xy[0], axis=-1)[sure] / diagonal)
    off = np.concatenate(offs)
    assert 1e-4 < np.median(off) < 0.02  # not the floats themselves, either


def test_what_it_refuses(tmp_path):
    with pytest.raises(InputError, match="'movenet_multipose' cannot be quantised; use one of blazepose_full, .*posenet"):
        quantised("movenet_multipose", [GREY], tmp_path)
    with pytest.raises(InputError, match="nobody is found in the images that model movenet_lightning"):
        quantised("movenet_lightning", [GREY], tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SetupError, match=r"needs the package onnx.*pip install 'recon3d\[edge\]'"):
        quantised("movenet_lightning", [GREY], tmp_path)


@pytest.mark.parametrize("name", card_names())
def test_a_card_is_written_as_it_is_read(tmp_path, name):
    card = load_card(name)
    (tmp_path / "copy.toml").write_text(_as_toml(card), encoding="utf-8")
    copy = load_card(str(tmp_path / "copy.toml"))
    assert {**_held(copy), "folder": card.folder} == _held(card)


def _held(card) -> dict:
    held = {name: getattr(card, name) for name in card.__dataclass_fields__}
    return held | {"sigma": None if card.sigma is None else card.sigma.as_table()}


def test_the_bodies_have_cards():
    assert set(BODIES) < set(card_names())
