"""People from candidate points and the limbs that join them: the surest pairs first, those that share a point are one person."""

import numpy as np
from jaxtyping import Float

from recon3d.detect.people import People


def one_to_one(score: Float[np.ndarray, "starts ends"]) -> list[tuple[int, int, float]]:
    """Pairs of positive score, the best first, each start and each end once."""
    starts, ends = np.nonzero(score > 0)
    order = np.argsort(-score[starts, ends], kind="stable")
    out: list[tuple[int, int, float]] = []
    taken_start, taken_end = set[int](), set[int]()
    for row in order.tolist():
        a, b = int(starts[row]), int(ends[row])
        if a not in taken_start and b not in taken_end:
            taken_start.add(a)
            taken_end.add(b)
            out.append((a, b, float(score[a, b])))
    return out


class Groups:
    """Candidates that limbs have joined, group by group."""

    def __init__(self) -> None:
        self._people: list[dict[int, int]] = []
        self._strength: list[float] = []

    def join(self, a: tuple[int, int], b: tuple[int, int], score: float) -> None:
        """A limb between two candidates (joint, candidate): it joins a group that has one, makes two groups one, or begins one."""
        has_a = next((p for p, own in enumerate(self._people) if own.get(a[0]) == a[1]), None)
        has_b = next((p for p, own in enumerate(self._people) if own.get(b[0]) == b[1]), None)
        if has_a is None and has_b is None:
            self._people.append({a[0]: a[1], b[0]: b[1]})
            self._strength.append(score)
        elif has_a is not None and has_b is not None:
            if has_a != has_b and not set(self._people[has_a]) & set(self._people[has_b]):
                self._people[has_a].update(self._people[has_b])
                self._strength[has_a] += score + self._strength[has_b]
                del self._people[has_b], self._strength[has_b]
        else:
            person, (joint, candidate) = (has_a, b) if has_a is not None else (has_b, a)
            assert person is not None
            if joint not in self._people[person]:
                self._people[person][joint] = candidate
                self._strength[person] += score

    def people(self, xy: Float[np.ndarray, "candidates 2"], height: Float[np.ndarray, "candidates"], joints: int, least: int) -> People:
        """The groups of at least so many points; a person's score is the mean of its points' heights and its limbs' scores."""
        kept = [k for k, own in enumerate(self._people) if len(own) >= least]
        places, confidence = np.full((len(kept), joints, 2), np.nan), np.zeros((len(kept), joints))
        for row, k in enumerate(kept):
            which, own = list(self._people[k]), list(self._people[k].values())
            places[row, which], confidence[row, which] = xy[own], height[own]
        score = np.array([(self._strength[k] + confidence[row].sum()) / (2 * len(self._people[k])) for row, k in enumerate(kept)])
        return People(places, confidence, score)
