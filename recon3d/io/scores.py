"""What was learned of a detector's scores, as a TOML file."""

import json
import tomllib
from pathlib import Path

from recon3d.errors import InputError
from recon3d.io.files import atomic
from recon3d.records import ScoreSigma, parse_score_sigma

_TEXTS = ("layout", "score_kind")


def write_scores(path: Path, sigma: ScoreSigma, layout: str, score_kind: str) -> None:
    """Sigma by score and point of keypoints of one layout and one kind of score."""
    table = sigma.as_table()
    rows = [f"{key} = [{', '.join(f'{value:.6g}' for value in table[key])}]" for key in ("score", "share")]
    lines = [
        f"layout = {json.dumps(layout)}",
        f"score_kind = {json.dumps(score_kind)}",
        "",
        "# sigma of a point over the diagonal of its person's box, by score; times a factor for each point",
        "[sigma]",
        *rows,
        "",
        "[sigma.points]",
        *(f"{json.dumps(name)} = {value:.4g}" for name, value in table["points"].items()),
    ]
    with atomic(path) as stream:
        stream.write("\n".join(lines) + "\n")


def read_scores(path: Path) -> tuple[ScoreSigma, str, str]:
    """What was learned, the layout's name, and the kind of score.

    Raises:
        InputError: not such a file; all that is wrong with it.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from None
    unknown = sorted(set(data) - {*_TEXTS, "sigma"})
    if unknown or not all(isinstance(data.get(key), str) for key in _TEXTS):
        more = f"; unknown entries {', '.join(unknown)}" if unknown else ""
        raise InputError(
            f"{path} must have the texts layout and score_kind and a table sigma (`recon3d calibrate scores` writes one){more}"
        )
    return parse_score_sigma(data.get("sigma"), f"{path}: table sigma"), data["layout"], data["score_kind"]
