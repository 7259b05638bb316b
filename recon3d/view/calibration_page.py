"""The page of a calibration: one HTML file, no network, with what a person acts on."""

import html
import json
from importlib import resources
from pathlib import Path
from typing import Any

from recon3d.io.files import atomic, plain


def write_calibration_page(path: Path, title: str, summary: dict[str, Any]) -> None:
    """Write the page of a summary (plain numbers); all data and code are inside it."""
    template = (resources.files("recon3d.view") / "calibration.html").read_text(encoding="utf-8")
    text = json.dumps(plain(summary), allow_nan=False).replace("</", "<\\/")
    with atomic(path) as stream:
        stream.write(template.replace("{{title}}", html.escape(title)).replace("{{data}}", text))
