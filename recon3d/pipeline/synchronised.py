"""A take's windows on one time axis, as several stages go through them."""

from collections.abc import Iterator, Sequence

from recon3d.multiview import Seen, Timeline, Views, synchronise


class Synchronised:
    """What all cameras saw, window by window, as often as it is asked for; a take of one window is put together once."""

    def __init__(self, seen: Sequence[Seen], timeline: Timeline, size: int):
        self.timeline = timeline
        self.layout = seen[0].layout
        self._seen, self._size = seen, size
        self._only: Views | None = None

    def __iter__(self) -> Iterator[Views]:
        if self._only is not None:
            yield self._only
            return
        for views in synchronise(self._seen, self.timeline, self._size):
            if len(self.timeline.frame) <= self._size:
                self._only = views
            yield views
