"""Networks in .tflite files behind the same cards."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from recon3d.detect import ModelCard, Network
from recon3d.detect.session import open_session
from recon3d.errors import InputError, SetupError
from tests.detect.graphs import card
from tests.detect.tflite_graphs import pooling


def tflite(folder, content: bytes, **entries) -> ModelCard:
    made = card(folder, "heatmap", {"maps": np.zeros((1, 17, 8, 8))}, size=(8, 6), channels_last=True, **entries)
    (folder / "mine.tflite").write_bytes(content)
    return replace(made, file="mine.tflite", sha256=sha256(content).hexdigest())


def means(image: np.ndarray) -> np.ndarray:
    rows, columns, _ = image.shape
    return image.reshape(rows // 2, 2, columns // 2, 2, 3).mean((1, 3), dtype=float)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def test_a_network_of_float_numbers(tmp_path, image):
    net = Network(tflite(tmp_path, pooling((8, 6)), mean=[1, 2, 3], std=[4, 4, 4]))
    assert net.provider == "cpu"
    (out,) = net.run(image)
    np.testing.assert_allclose(out[0], (means(image) - [1, 2, 3]) / 4, rtol=1e-6)


@pytest.mark.parametrize(("kind", "scale", "zero"), [("int8", 2 / 255, -3), ("uint8", 2 / 255, 128)])
def test_quantised_numbers_are_what_they_stand_for(tmp_path, image, kind, scale, zero):
    net = Network(tflite(tmp_path, pooling((8, 6), kind, scale, zero), mean=[127.5] * 3, std=[127.5] * 3))
    (out,) = net.run(image)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out[0], (means(image) - 127.5) / 127.5, atol=1.1 * scale)
    assert np.abs(out[0] - (means(image) - 127.5) / 127.5).mean() < 0.5 * scale


def test_pixels_themselves(tmp_path, image):
    """uint8 without a scale takes the image as it is."""
    (out,) = Network(tflite(tmp_path, pooling((8, 6), "uint8"))).run(image)
    np.testing.assert_allclose(out[0], means(image), atol=1)


def test_an_input_of_any_size(tmp_path):
    session = open_session(tflite(tmp_path, pooling((8, 6), any_size=True)))
    assert session.shape == (1, None, None, 3)
    for rows, columns in ((6, 8), (4, 12), (4, 12), (6, 8)):
        values = np.random.default_rng(rows).uniform(size=(1, rows, columns, 3)).astype(np.float32)
        np.testing.assert_allclose(session.run(values, session.outputs)[0][0], means(values[0]), rtol=1e-5)


def test_several_threads_get_their_own_answers(tmp_path):
    session = open_session(tflite(tmp_path, pooling((8, 6))))
    inputs = [np.full((1, 6, 8, 3), k, np.float32) for k in range(200)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda values: session.run(values, session.outputs)[0][0, 0, 0, 0], inputs))
    np.testing.assert_array_equal(answers, np.arange(200))


def test_what_it_refuses(tmp_path):
    made = tflite(tmp_path, pooling((8, 6)))
    with pytest.raises(InputError, match="sha256"):
        Network(replace(made, sha256="0" * 64))
    with pytest.raises(InputError, match=r"no execution provider 'cuda' for model mine; \.tflite files run on cpu"):
        Network(made, provider="cuda")
    with pytest.raises(InputError, match="has no output heat; it has mean"):
        Network(replace(made, outputs=("heat",)))
    with pytest.raises(InputError, match="model mine does not run"):
        Network(tflite(tmp_path, b"nothing"))
    with pytest.raises(InputError, match=r"mine\.toml must be a file of \.onnx, \.tflite"):
        Network(replace(made, file="mine.toml"))


def test_without_the_package(tmp_path, monkeypatch):
    made = tflite(tmp_path, pooling((8, 6)))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(SetupError, match=r"pip install 'recon3d\[edge\]'"):
        Network(made)
