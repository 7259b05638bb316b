"""Joint streams over the network, a datagram or bundle a frame: VMC for VRM programs, JSON, plain OSC."""

from recon3d.streams.messages import KINDS, Moment, json_messages, moments, osc_messages, vmc_messages
from recon3d.streams.send import Address, parse_address, stream

__all__ = [
    "KINDS",
    "Address",
    "Moment",
    "json_messages",
    "moments",
    "osc_messages",
    "parse_address",
    "stream",
    "vmc_messages",
]
