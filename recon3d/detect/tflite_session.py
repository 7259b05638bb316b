"""LiteRT files (.tflite) on the processor, by the package ai-edge-litert of the extra ``edge``."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from recon3d.errors import InputError, SetupError, valid_names


@dataclass(frozen=True, slots=True)
class _Tensor:
    """One input or output: integers stand for (value - zero) * scale where a scale is given."""

    index: int
    dtype: np.dtype
    scale: float
    zero: int

    @staticmethod
    def of(details: dict[str, Any]) -> "_Tensor":
        scale, zero = details["quantization"]
        return _Tensor(int(details["index"]), np.dtype(details["dtype"]), float(scale), int(zero))

    def stored(self, values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        if not self.scale:
            return values.astype(self.dtype, copy=False)
        ends = np.iinfo(self.dtype)
        return (np.rint(values / self.scale) + self.zero).clip(ends.min, ends.max).astype(self.dtype)

    def meant(self, values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
        return (values.astype(np.float32) - self.zero) * np.float32(self.scale) if self.scale else values


class TfliteSession:
    """A LiteRT network, ready to run; see `recon3d.detect.session.Session`.

    Quantised inputs and outputs are seen as the numbers that they stand for.
    """

    provider = "cpu"

    def __init__(self, interpreter: Any):
        self._interpreter = interpreter
        self._lock = threading.Lock()  # an interpreter holds the values of one run
        (first, *_) = interpreter.get_input_details()
        self._input = _Tensor.of(first)
        self.dtype = np.dtype(np.float32) if self._input.scale else self._input.dtype
        self.shape = tuple(int(length) if length > 0 else None for length in first["shape_signature"])
        self._outputs = {details["name"]: _Tensor.of(details) for details in interpreter.get_output_details()}
        self.outputs = tuple(self._outputs)
        self._allocated: tuple[int, ...] | None = None

    def run(self, values: Shaped[np.ndarray, "..."], outputs: Sequence[str]) -> list[np.ndarray]:
        """These outputs for an input."""
        with self._lock:
            if self._allocated != values.shape:
                self._interpreter.resize_tensor_input(self._input.index, values.shape, strict=True)
                self._interpreter.allocate_tensors()
                self._allocated = values.shape
            self._interpreter.set_tensor(self._input.index, self._input.stored(values))
            self._interpreter.invoke()
            tensors = [self._outputs[name] for name in outputs]
            return [tensor.meant(self._interpreter.get_tensor(tensor.index)) for tensor in tensors]


def open_tflite(content: bytes, model: str, threads: int, provider: str | None = None) -> TfliteSession:
    """A session of a .tflite file's content.

    Args:
        content: of the file.
        model: its name, for messages.
        threads: it may use.
        provider: "cpu" or none; there is no other.

    Raises:
        InputError: another provider, or content that is no network.
        SetupError: ai-edge-litert is not installed, or does not load.
    """
    if provider not in (None, TfliteSession.provider):
        raise InputError(
            f"no execution provider {provider!r} for model {model}; .tflite files run on {valid_names([TfliteSession.provider])}"
        )
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise SetupError(f"model {model} is a .tflite file, which ai-edge-litert runs: {error}; pip install 'recon3d[edge]'") from None
    try:
        return TfliteSession(Interpreter(model_content=content, num_threads=threads))
    except (ValueError, RuntimeError) as error:
        raise InputError(f"model {model} does not run: {str(error).strip() or type(error).__name__}") from None
