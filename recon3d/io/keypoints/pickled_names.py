"""Lists of names that another program pickled, read without unpickling: nothing that such a file says is ever run.

pandas keeps the names of a table's columns as a pickled list of tuples. The few operations that build lists, tuples and
text are followed here one by one; any other, above all those that name a class or call something, is refused.
"""

import pickletools
from collections.abc import Iterator
from typing import Any

from recon3d.errors import InputError

_TEXT = frozenset({"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"})
_EMPTY = {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_SINCE_MARK = {"LIST": list, "TUPLE": tuple}
_LAST = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEEP = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_RECALL = frozenset({"GET", "BINGET", "LONG_BINGET"})
_NOTHING = frozenset({"PROTO", "FRAME"})
_LARGEST = 50_000_000  # bytes
_BROKEN = (ValueError, OverflowError, IndexError, KeyError, TypeError)
"""What a pickle that is cut, or whose operations do not fit together, leads to."""


def pickled_rows(data: bytes, where: str) -> list[tuple[str, ...]]:
    """A pickled list of tuples of text.

    Args:
        data: the pickle, of any protocol.
        where: file and place, for the message.

    Raises:
        InputError: something else, or an operation that does more than to build such a list; nothing was run.
    """
    if len(data) > _LARGEST:
        raise InputError(f"{where} holds {len(data)} bytes of names: more than any table has columns")
    found = _Lists(where)
    try:
        for operation, argument, place in _operations(data):
            found.follow(operation, argument, place)
        built = found.stack.pop()
    except _BROKEN as error:
        raise InputError(f"{where} is not a complete pickled list of names: {str(error)[:80]}") from None
    if found.stack or not isinstance(built, list):
        raise InputError(f"{where} is pickled, and not a list of names")
    if not all(isinstance(row, tuple) and all(isinstance(name, str) for name in row) for row in built):
        raise InputError(f"{where} is pickled, and holds more than names")
    return built


def _operations(data: bytes) -> Iterator[tuple[str, Any, int]]:
    """Name, argument and place of each operation; this takes them apart and runs none."""
    for operation, argument, place in pickletools.genops(data):
        yield operation.name, argument, place or 0


class _Lists:
    """A stack on which lists, tuples and text are put together, and nothing else."""

    def __init__(self, where: str):
        self.where = where
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._kept: dict[int, Any] = {}

    def follow(self, operation: str, argument: Any, place: int) -> None:
        """One operation.

        Raises:
            InputError: one that builds something else.
            IndexError: it takes more than there is; also ValueError, KeyError, TypeError where it does not fit.
        """
        stack = self.stack
        if operation in _TEXT:
            stack.append(argument)
        elif operation in _EMPTY:
            stack.append(_EMPTY[operation]())
        elif operation == "MARK":
            self._marks.append(len(stack))
        elif operation in _SINCE_MARK:
            stack.append(_SINCE_MARK[operation](self._since_mark()))
        elif operation in _LAST:
            count = _LAST[operation]
            if len(stack) < count:
                raise IndexError("a tuple of more than there is")
            stack[-count:] = [tuple(stack[-count:])]
        elif operation == "APPEND":
            value = stack.pop()
            self._list().append(value)
        elif operation == "APPENDS":
            values = self._since_mark()
            self._list().extend(values)
        elif operation in _KEEP:
            self._kept[len(self._kept) if argument is None else argument] = stack[-1]
        elif operation in _RECALL:
            stack.append(self._kept[argument])
        elif operation not in _NOTHING and operation != "STOP":
            raise InputError(
                f"{self.where} is pickled, and byte {place} of it ({operation}) does more than to list names: it was not run, "
                "and the file is not read"
            )

    def _since_mark(self) -> list[Any]:
        at = self._marks.pop()
        if at > len(self.stack):
            raise IndexError("a mark above the stack")
        values = self.stack[at:]
        del self.stack[at:]
        return values

    def _list(self) -> list[Any]:
        if not isinstance(self.stack[-1], list):
            raise TypeError("something is added to what is no list")
        return self.stack[-1]
