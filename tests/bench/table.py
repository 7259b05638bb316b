"""Results of benchmarks, judged against their limits, printed and written."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One number; the median over its seeds or runs."""

    name: str
    value: float
    unit: str
    limit: float
    better: Literal["higher", "lower"]
    seeds: Sequence[int] = ()
    beside: str = ""
    spread: Sequence[float] = field(default=())

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.better == "higher" else self.value <= self.limit


def result(
    name: str,
    values: Sequence[float],
    unit: str,
    limit: float,
    better: Literal["higher", "lower"],
    seeds: Sequence[int] = (),
    beside: str = "",
) -> Result:
    """The median of values as a result."""
    return Result(name, float(np.median(values)), unit, limit, better, tuple(seeds), beside, [float(min(values)), float(max(values))])


def show(results: Sequence[Result], path: Path) -> bool:
    """Print the table, merge the results into a JSON file; whether all limits are met."""
    table = Table("name", "ours", "min .. max", "limit", "unit", "met", "beside it, same run")
    for r in results:
        sign = ">=" if r.better == "higher" else "<="
        spread = f"{_short(r.spread[0])} .. {_short(r.spread[1])}" if r.spread else ""
        met = "[green]yes[/]" if r.met else "[red]NO[/]"
        table.add_row(r.name, _short(r.value), spread, f"{sign} {_short(r.limit)}", r.unit, met, r.beside)
    Console(width=180).print(table)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for r in results:
        entry = asdict(r) | {"met": r.met}
        known[entry.pop("name")] = entry
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return all(r.met for r in results)


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 1e4 or (value and abs(value) < 1e-2) else f"{value:.4g}"
