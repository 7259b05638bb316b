"""Who is who across cameras and through time: association, identities, and what is refused."""

from recon3d.multiview.people.identity import Identities, Somebody
from recon3d.multiview.people.points import Claim
from recon3d.multiview.people.tracker import PeopleTracker

__all__ = ["Claim", "Identities", "PeopleTracker", "Somebody"]
