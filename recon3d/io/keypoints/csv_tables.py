"""Tables of numbers in CSV, row by row; an empty cell is NaN."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon3d.errors import InputError
from recon3d.io.files import read_text

Table = list[list[str]]
_LONGEST = 10_000_000  # characters of a cell


def read_table(path: Path, empty_rows: bool = False) -> Table:
    """All rows that are not empty; those of a header too.

    Args:
        path: of the file.
        empty_rows: keep rows whose cells are all empty, where a row is a frame, with or without people. Blank lines are none.

    Raises:
        InputError: not text, or cells without end.
    """
    text = read_text(path)
    if "\0" in text[:_LONGEST]:
        raise InputError(f"{path} is not a text file")
    try:
        return [row for row in csv.reader(text.splitlines()) if any(cell.strip() for cell in row) or (empty_rows and len(row) > 1)]
    except csv.Error as error:
        raise InputError(f"{path} is not complete CSV: {error}") from None


def first_row(text: str) -> list[str]:
    """The cells of the first line."""
    lines = text.splitlines()
    try:
        return next(iter(csv.reader(lines[:1])), [])
    except csv.Error:
        return []


def numbers_of(rows: Table, columns: range, path: Path, header: int) -> Float[np.ndarray, "rows columns"]:
    """Cells as numbers, with ``header`` rows before them for the message.

    Raises:
        InputError: rows of other lengths, or a cell that is no number.
    """
    out = np.full((len(rows), len(columns)), np.nan)
    for k, row in enumerate(rows):
        if len(row) < columns.stop:
            raise InputError(f"{path}, row {header + k + 1} has {len(row)} cells: {columns.stop} were expected")
        try:
            out[k] = [float(cell) if cell.strip() else np.nan for cell in row[columns.start : columns.stop]]
        except ValueError as error:
            raise InputError(f"{path}, row {header + k + 1}: {error}") from None
    return out
