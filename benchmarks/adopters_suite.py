"""What an adopter's own tests take with Amanah: each example's suite, bare and protected, side by side.

``python benchmarks/adopters_suite.py [--rounds 5] [legacy] [apotek]``

Protected is what the tutorial comes to: everything enforced, and at the end everything sealed beside itself with
the plain columns gone. The suites run one after the other, round by round, in processes of their own; what is reported
is processor time (user and system, children included), which other work on the machine disturbs least, and its medians.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.integration.adoption.walk import journey
from tests.integration.adoption.walk.harness import Walk

SERVED = {"legacy": "legacy.asgi:app", "apotek": "apotek.main:app"}
ALLOWED = 1.5


def folders(app: str, folder: Path) -> dict[str, Path]:
    """Kind → a folder with the app at that stage of the tutorial. Nobody is served."""
    walk = Walk(app, folder / "walk", SERVED[app])
    walk.serve = lambda: None  # type: ignore[method-assign]
    made = {"bare": folder / "bare"}
    walk.freeze(made["bare"])
    for heading in journey.ORDER:
        if heading == journey.TESTS:
            walk.change(heading)  # without running them
            made["enforced"] = folder / "enforced"
            walk.freeze(made["enforced"])
        else:
            walk.do(heading)
    made["sealed"] = folder / "sealed"
    walk.freeze(made["sealed"])
    return made


def once(app: str, folder: Path) -> float:
    """One run of the suite: seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{app}/tests"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "AMANAH"))}
    done = subprocess.run(
        command, cwd=folder, env={**clean, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure and print. The exit code is 1 where a ratio is above what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("apps", nargs="*", default=list(SERVED))
    options = parser.parse_args()
    worst = 0.0
    for app in options.apps:
        with tempfile.TemporaryDirectory() as made:
            kinds = folders(app, Path(made))
            taken: dict[str, list[float]] = {kind: [] for kind in kinds}
            for _ in range(options.rounds):
                for kind, folder in kinds.items():
                    taken[kind].append(once(app, folder))
        medians = {kind: statistics.median(values) for kind, values in taken.items()}
        for kind, values in taken.items():
            ratio = medians[kind] / medians["bare"]
            worst = max(worst, ratio)
            told = " ".join(f"{one:.1f}" for one in values)
            sys.stdout.write(f"{app:7} {kind:9} median {medians[kind]:5.1f} s  ratio {ratio:.2f}   ({told})\n")
    return int(worst > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
