"""Who the people of a take are, with the user's word on it: ``people.toml`` in the take folder, replayed on every run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recon3d.errors import InputError, all_faults, valid_names
from recon3d.io.files import read_toml
from recon3d.multiview import Claim, Identities, Somebody, refuse_all
from recon3d.pipeline.take import Take

FILE = "people.toml"
_KEYS = ("keep", "drop", "merge", "cut", "name")
_NAME = re.compile(r"\w([\w -]*\w)?")
_ALWAYS = 1 << 62


@dataclass(frozen=True, slots=True)
class Cut:
    """From a frame on, somebody is another.

    Attributes:
        person: id.
        frame: number of the reference camera's frame.
        new: id from then on; one that is not used yet, or another person's.
    """

    person: int
    frame: int
    new: int


@dataclass(frozen=True, slots=True)
class Edits:
    """What the user says about who is who; ids are those that `recon3d people` lists.

    Attributes:
        keep: refused people who are people.
        drop: people who are not wanted.
        merge: groups of one person each; the first id stays.
        cut: see `Cut`; done before all else, all at once, so that two who were exchanged are put right by two cuts.
        name: names for files and reports.
    """

    keep: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()
    merge: tuple[tuple[int, ...], ...] = ()
    cut: tuple[Cut, ...] = ()
    name: Mapping[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """The people of a take after all edits.

    Attributes:
        claims: whose every track is.
        names: of the people, by id, in the order of their ids.
        refused: who is none of them, and why.
    """

    claims: tuple[Claim, ...]
    names: Mapping[int, str]
    refused: tuple[Somebody, ...]

    def without(self, identities: Identities, people: Sequence[int], reason: str) -> "Cast":
        """The same without some of the people, who are refused for this reason.

        Raises:
            InputError: nobody is left.
        """
        if not people:
            return self
        names = {one: name for one, name in self.names.items() if one not in people}
        if not names:
            raise InputError(f"nobody is left: {reason}; there were {_listing(identities)}")
        known = {one.id: one for one in identities.everybody}
        gone = [known.get(one) or Somebody(one, (), 0.0, 0.0, 0.0) for one in people]
        refused = [replace(one, reason=reason) for one in gone]
        return Cast(tuple(claim for claim in self.claims if claim.person in names), names, (*self.refused, *refused))


def read_edits(path: Path) -> Edits:
    """Edits from a file; none where it is not there.

    Raises:
        InputError: unknown keys, values of the wrong kind; all at once.
    """
    if not path.is_file():
        return Edits()
    data = read_toml(path)
    faults = [f"unknown key {key!r}; there are {valid_names(_KEYS)}" for key in data if key not in _KEYS]
    keep, drop = (_ids(data.get(key, []), key, faults) for key in ("keep", "drop"))
    merge = tuple(_ids(group, "merge", faults) for group in _list(data.get("merge", []), "merge", faults))
    faults += [f"merge: {list(group)} is no group of two ids or more" for group in merge if len(group) < 2]
    cuts = [_cut(entry, faults) for entry in _list(data.get("cut", []), "cut", faults)]
    name = _names(data.get("name", {}), faults)
    if faults:
        raise InputError(all_faults(faults, f"{path} cannot be used:"))
    return Edits(keep, drop, merge, tuple(cut for cut in cuts if cut is not None), name)


def _list(value: Any, key: str, faults: list[str]) -> list[Any]:
    if isinstance(value, list):
        return value
    faults.append(f"{key} must be a list, not {value!r}")
    return []


def _ids(value: Any, key: str, faults: list[str]) -> tuple[int, ...]:
    if isinstance(value, list) and all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in value):
        return tuple(value)
    faults.append(f"{key} must be a list of ids, not {value!r}")
    return ()


def _cut(entry: Any, faults: list[str]) -> Cut | None:
    fields = ("person", "frame", "new")
    if isinstance(entry, dict) and set(entry) == set(fields) and all(type(v) is int and v >= 0 for v in entry.values()):
        return Cut(**entry)
    faults.append(f"a cut has a person, a frame and a new id, whole numbers, not {entry!r}")
    return None


def _names(value: Any, faults: list[str]) -> dict[int, str]:
    out: dict[int, str] = {}
    for key, name in value.items() if isinstance(value, dict) else [("", value)]:
        if not str(key).isdigit():
            faults.append(f'name: {key!r} is no id; write [name] and then a line such as 0 = "anna"')
        elif not isinstance(name, str) or not _NAME.fullmatch(name):
            faults.append(f"name of {key}: {name!r} cannot be part of a file's name; letters, digits, spaces and dashes can")
        else:
            out[int(key)] = name
    doubled = sorted({name for name in out.values() if list(out.values()).count(name) > 1})
    faults += [f"name {name!r} is given to several people" for name in doubled]
    return out


def cast(identities: Identities, edits: Edits, where: str = FILE) -> Cast:
    """Apply edits to what was found.

    Raises:
        InputError: ids that nobody has, edits that say nothing or contradict each other, names that two people would
            have, or nobody left; all at once.
    """
    known = {one.id: one for one in identities.everybody}
    of, faults = _merged(edits)
    faults += _unknown_ids(known, edits)
    if faults:
        raise InputError(all_faults(faults, f"{where} cannot be used:"))
    pieces = [(one, claim) for one in identities.everybody for claim in _pieces(one, [c for c in edits.cut if c.person == one.id])]
    # Of somebody who was refused only what is kept, merged with a person, or cut off to be one.
    people = {one.id for one in identities.people} | set(edits.keep)
    people |= {member for member in of if of[member] in people} | {root for member, root in of.items() if member in people}
    new = {cut.new for cut in edits.cut if cut.person in people}
    claims = [
        Claim(c.track, of.get(c.person, c.person), c.first, c.stop)
        for one, c in pieces
        if c.first < c.stop and (c.person in people or (one.id in people and c.person in new)) and (c.person != one.id or one.id in people)
    ]
    gone = {of.get(one, one) for one in edits.drop}
    claims = [claim for claim in claims if claim.person not in gone]
    if not claims:
        raise InputError(f"{where}: nobody is left; there are {_listing(identities)}")
    given = dict(edits.name or {})
    names = {person: given.get(person, str(person)) for person in sorted({claim.person for claim in claims})}
    taken = [name for name in names.values() if list(names.values()).count(name) > 1]
    if taken:
        raise InputError(f"{where}: two people would be called {taken[0]!r}")
    return Cast(tuple(claims), names, _left_out(identities, claims, edits))


def _merged(edits: Edits) -> tuple[dict[int, int], list[str]]:
    """The id that stays, by the ids that go up in it; and contradictions."""
    of: dict[int, int] = {}
    faults: list[str] = []
    for group in edits.merge:
        twice = [k for k in group if k in of]
        faults += [f"merge: {k} is merged into {of[k]} already; write one group" for k in twice]
        if not twice:
            of |= dict.fromkeys(group, group[0])
    inside = {member: root for member, root in of.items() if member != root}
    faults += [f"drop: {k} is merged into {inside[k]}; drop that" for k in edits.drop if k in inside]
    faults += [f"name: {k} is merged into {inside[k]}; name that" for k in (edits.name or {}) if k in inside]
    return inside, faults


def identities_of(facts: Mapping[str, Any]) -> Identities:
    """Who there is, from the facts of the stage that found them."""
    everybody = tuple(Somebody(**(one | {"tracks": tuple(one["tracks"])})) for one in facts["everybody"])
    return Identities(everybody, tuple(facts["notes"]))


def cast_of(identities: Identities, take: Take, first: int, last: int) -> Cast:
    """The people of a take, with the edits of its people.toml if there are any.

    Args:
        identities: as they were found.
        take: its folder.
        first: frame number of the take's first frame.
        last: of its last.
    """
    path = take.folder / FILE
    edits = read_edits(path)
    if not identities.people and not edits.keep and not edits.merge:
        refuse_all(identities)
    late = [f"cut: frame {cut.frame} is not inside the take, {first + 1} to {last}" for cut in edits.cut if not first < cut.frame <= last]
    if late:
        raise InputError(all_faults(late, f"{path} cannot be used:"))
    return cast(identities, edits, str(path))


def _unknown_ids(known: Mapping[int, Somebody], edits: Edits) -> list[str]:
    after = {*known, *(cut.new for cut in edits.cut)}
    listed = valid_names(str(k) for k in sorted(after))
    used = [("keep", k) for k in edits.keep] + [("drop", k) for k in edits.drop] + [("name", k) for k in (edits.name or {})]
    used += [("merge", k) for group in edits.merge for k in group]
    faults = [f"{key}: there is no {k}; there are {listed}" for key, k in used if k not in after]
    faults += [f"cut: there is no {cut.person}; there are {listed}" for cut in edits.cut if cut.person not in known]
    places = [(cut.person, cut.frame) for cut in edits.cut]
    faults += [f"cut: {person} is cut twice at frame {frame}" for person, frame in sorted(set(places)) if places.count((person, frame)) > 1]
    return faults + [f"keep: {k} was not refused" for k in edits.keep if k in known and known[k].reason is None]


def _pieces(one: Somebody, cuts: Sequence[Cut]) -> list[Claim]:
    """A person's tracks, in pieces between its cuts."""
    ordered = sorted(cuts, key=lambda cut: cut.frame)
    starts, owners = [-_ALWAYS, *(cut.frame for cut in ordered)], [one.id, *(cut.new for cut in ordered)]
    stops = [*starts[1:], _ALWAYS]
    return [Claim(track, owner, a, b) for track in one.tracks for owner, a, b in zip(owners, starts, stops, strict=True)]


def _left_out(identities: Identities, claims: Sequence[Claim], edits: Edits) -> tuple[Somebody, ...]:
    tracks = {claim.track for claim in claims}
    out: list[Somebody] = []
    for one in identities.everybody:
        if not tracks & set(one.tracks):
            dropped = one.reason is None or one.id in edits.keep
            out.append(Somebody(one.id, one.tracks, one.first, one.last, one.views, "dropped by hand" if dropped else one.reason))
    return tuple(out)


def _listing(identities: Identities) -> str:
    each: list[str] = []
    for one in identities.everybody:
        refused = f", refused: {one.reason}" if one.reason else ""
        each.append(f"{one.id} ({one.first:.1f} to {one.last:.1f} s{refused})")
    return ", ".join(each) or "none"
