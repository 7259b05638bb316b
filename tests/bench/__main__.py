"""`python -m tests.bench [--only FAMILY]`: exit status 1 where a limit is missed."""

import argparse
import sys
from pathlib import Path

from tests.bench import bodies, calibration, delivery, edge, evidence, head, lifting, main_job, motion, people, triangulation
from tests.bench.table import show

FAMILIES = {
    "triangulation": triangulation.run,
    "main": main_job.run_family,
    "calibration": calibration.run,
    "evidence": evidence.run,
    "people": people.run,
    "motion": motion.run,
    "delivery": delivery.run,
    "edge": edge.run,
    "lifting": lifting.run,
    "bodies": bodies.run,
    "head": head.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description="ONLY=family runs one")
    parser.add_argument("--only", choices=sorted(FAMILIES))
    chosen = parser.parse_args().only
    results = [r for name, family in FAMILIES.items() if chosen in (None, name) for r in family()]
    sys.exit(0 if show(results, Path("out/bench.json")) else 1)


main()
