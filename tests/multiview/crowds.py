"""Several people before cameras, followed and judged: what the tests of people share."""

from dataclasses import replace

import numpy as np

from recon3d.metrics.people import judge_people
from recon3d.multiview import MultiviewSettings, NoiseScale, align_in_time, people_tracker, synchronise
from recon3d.multiview.people.points import claims_of
from recon3d.multiview.reconstruct import reconstruct_windows
from recon3d.records.keypoints3d import concatenate
from recon3d.synthetic import Crowd, CrowdSettings, NoiseSettings, make_person

QUIET = CrowdSettings(NoiseSettings(outliers=0.0, missing=0.0), false=0.0)
ROUGH = CrowdSettings()
SEGMENTS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))


def limbs(layout):
    return [(layout.index(f"{s}_{a}"), layout.index(f"{s}_{b}")) for s in ("left", "right") for a, b in SEGMENTS]


def follow(seen, rig, window=100, embedding=None, people=0):
    """Tracks, identities and points of a world whose noise is known."""
    noise, settings = NoiseScale(np.ones(len(rig)), np.ones(len(rig)), 1), MultiviewSettings(people=people)
    parts = list(synchronise(seen, align_in_time(seen, rig), window))
    tracker = people_tracker(rig, seen[0].layout, noise, settings)
    at, windows = 0, []
    for part in parts:
        looks = None if embedding is None else embedding[:, at : at + len(part)]
        windows.append((part, tracker.follow(part, looks)))
        at += len(part)
    identities = tracker.identities(people)
    found = list(reconstruct_windows(windows, claims_of(identities), rig, noise))
    return identities, concatenate(found), windows


def judged(crowd: Crowd, found):
    return judge_people(np.array(found.xyz), crowd.people, limbs(crowd.layout))


def walker(start, stop, frames, seed=0, fps=60.0, stature=1.7):
    """Somebody who walks along a line."""
    share = np.linspace(0, 1, frames)[:, None]
    return make_person("path", frames, fps, seed, stature=stature, path=np.array(start) + share * (np.array(stop) - np.array(start)))


def without(crowd, person, cameras):
    """What the cameras saw, but some of them not this person."""
    out = []
    for v, record in enumerate(crowd.seen):
        if record.camera not in cameras:
            out.append(record)
            continue
        gone = crowd.owner[v] == person
        xy, confidence = record.xy.copy(), record.confidence.copy()
        xy[gone], confidence[gone] = np.nan, 0.0
        out.append(replace(record, xy=xy, confidence=confidence))
    return out
