"""Which systems' 2D keypoints are read and whose networks are run, and under which licences those systems are."""

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

_WARNINGS = {
    "non-commercial": "not for commercial use",
    "AGPL": "AGPL: passes on to what is built with it, also behind a network",
    "unclear": "the licence is not plain: ask before commercial use",
    "": "",
}


@dataclass(frozen=True, slots=True)
class System:
    """A system that finds keypoints.

    Attributes:
        name: as people know it.
        reads: formats of its files.
        runs: decoders that its networks need.
        ships: its networks that come with recon3d.
        needs: what the user brings to run it.
        code: licence of its code; "" where it does not say.
        weights: licence of its networks' weights.
        limits: "non-commercial", "AGPL", "unclear" or "".
    """

    name: str
    code: str
    weights: str
    reads: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    ships: tuple[str, ...] = ()
    needs: str = ""
    limits: str = ""

    @property
    def warning(self) -> str:
        """What a commercial user must know; "" for nothing. What recon3d ships is free of it."""
        return _WARNINGS[self.limits]


@functools.cache
def all_systems() -> tuple[System, ...]:
    """In the order of the file."""
    text = (resources.files("recon3d") / "systems.toml").read_text(encoding="utf-8")
    rows: Sequence[dict[str, Any]] = tomllib.loads(text)["system"]
    lists = ("reads", "runs", "ships")
    return tuple(System(**{key: value for key, value in row.items() if key not in lists}, **_tuples(row, lists)) for row in rows)


def _tuples(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: tuple(row.get(name, ())) for name in names}
