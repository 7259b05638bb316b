"""Frames decoded while those before are still looked at."""

import queue
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor

from recon3d.records import Frame

_END = object()


def ahead(frames: Iterable[Frame], depth: int = 4) -> Generator[Frame, None, None]:
    """The same frames, decoded up to ``depth`` of them ahead in a thread of their own; its errors come out here.

    Close it (`contextlib.closing`) where reading may end early: else its thread waits for a reader.
    """
    waiting: queue.Queue[object] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def decode() -> None:
        try:
            for frame in frames:
                if not put(frame):
                    return
        finally:
            put(_END)

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(decode)
        try:
            while (item := waiting.get()) is not _END:
                assert isinstance(item, Frame)
                yield item
            work.result()
        finally:
            stopped.set()
