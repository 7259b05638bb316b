"""How a training run went, as a picture."""

import json
from pathlib import Path


def plot_run(log: Path, picture: Path) -> None:
    """Draw a run's loss and its errors on held-out people over its steps."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, errors = figure.subplots(1, 2)
    steps = [row["step"] for row in rows]
    loss.plot(steps, [row["loss"] for row in rows], "k.-")
    loss.set(xlabel="step", ylabel="loss, mean of the last 500 steps")
    for name, colour in (("hdm05", "tab:red"), ("cmu", "tab:blue")):
        for kind, style in (("n", "-"), ("pa", "--")):
            errors.plot(steps, [row[f"{name}_{kind}_mm"] for row in rows], style, color=colour, label=f"{name} {kind.upper()}-MPJPE")
    errors.set(xlabel="step", ylabel="mm, held-out people")
    errors.legend()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=100)
