"""Sending frames when they are due."""

import heapq
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from recon3d.errors import InputError
from recon3d.records import Motion
from recon3d.streams.messages import KINDS

_LARGEST = 65_000  # bytes of a datagram
_PORTS = {"vmc": 39539, "json": 39570, "osc": 39580}


class Address(NamedTuple):
    """Where to."""

    host: str
    port: int


def parse_address(text: str, kind: str) -> Address:
    """From "host:port", "host", ":port" or "[::1]:port"; what is left out is this machine and the kind's usual port.

    Raises:
        InputError: no such kind, or a port that there is none of.
    """
    if kind not in KINDS:
        raise InputError(f"no stream {kind!r}; there are {', '.join(KINDS)}")
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    if text.startswith("[") and text.endswith("]"):
        host, colon, port = text, "", ""
    if colon and not (port.isdigit() and 0 < int(port) < 65536):
        raise InputError(f"{text!r} is no address: write host:port, the port between 1 and 65535")
    return Address(host.strip("[]") or "127.0.0.1", int(port) if colon else _PORTS[kind])


def stream(
    motions: Sequence[Motion],
    to: Iterable[tuple[str, Address]],
    speed: float = 1.0,
    loop: bool = False,
    watch: Callable[[float], None] = lambda _: None,
) -> int:
    """Send all people's frames to all addresses as their times come; how many datagrams were sent.

    Args:
        motions: of the people; their clocks are one.
        to: kinds (`KINDS`) and addresses.
        speed: times as fast as it was.
        loop: over and over until interrupted.
        watch: told the time of what was just sent, s.

    Raises:
        InputError: an address that cannot be reached, or a speed that is not positive.
    """
    targets = list(to)
    if not speed > 0:
        raise InputError(f"speed must be positive, not {speed}")
    if not targets or not motions:
        raise InputError("nothing to send, or nowhere to send it")
    sockets = [_socket(address) for _, address in targets]
    first = min(float(motion.time[0]) for motion in motions)
    sent = 0
    try:
        while True:
            begun = time.monotonic()
            for due, k, content in _in_turn(motions, [kind for kind, _ in targets], first):
                wait = begun + due / speed - time.monotonic()
                if wait > 0:
                    time.sleep(wait)
                if len(content) > _LARGEST:
                    raise InputError(f"a frame of {len(content)} bytes is larger than a datagram")
                try:
                    sockets[k].send(content)
                except ConnectionRefusedError:
                    pass  # nobody listens yet; who does later sees the rest
                except OSError as error:
                    raise InputError(f"{targets[k][1].host}:{targets[k][1].port} cannot be sent to: {error.strerror}") from None
                sent += 1
                watch(due)
            if not loop:
                return sent
    finally:
        for one in sockets:
            one.close()


def _in_turn(motions: Sequence[Motion], kinds: Sequence[str], first: float) -> Iterator[tuple[float, int, bytes]]:
    """Messages of all people and kinds by time."""
    streams: list[Iterator[tuple[float, int, bytes]]] = []
    for motion in motions:
        late = float(motion.time[0]) - first
        streams += [_late(KINDS[kind](motion), late, k) for k, kind in enumerate(kinds)]
    yield from heapq.merge(*streams, key=lambda message: message[0])


def _late(messages: Iterator[tuple[float, bytes]], late: float, target: int) -> Iterator[tuple[float, int, bytes]]:
    for due, content in messages:
        yield due + late, target, content


def _socket(address: Address) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise InputError(f"{address.host!r} is no machine that can be found: {error.strerror}") from None
    family, kind, protocol, _, place = found[0]
    out = socket.socket(family, kind, protocol)
    out.connect(place)
    return out
