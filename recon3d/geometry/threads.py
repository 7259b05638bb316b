"""BLAS on one thread inside solvers: on small matrices its threads only fight each other."""

import functools
from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import ThreadpoolController  # pyright: ignore[reportMissingTypeStubs]


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries: milliseconds, so once


def single_threaded() -> AbstractContextManager[Any]:
    """A context in which linear algebra runs on one thread."""
    controller: Any = _controller()
    return controller.limit(limits=1, user_api="blas")
