"""The tour: `python -m iconix.tour` runs the demo's steps against a server of its own and shows the trail they left.

Exits with 1 if any answer is not as told, or if the trail does not verify.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from iconix.serving import environment, free_port, prepare, serving
from iconix.steps import STEPS, Client, curl, wrong


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m iconix.tour", description=__doc__)
    parser.add_argument("--rows", type=int, default=1200, help="about how many rows (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="amanah-tour-") as name:
        folder = Path(name)
        url = prepare(folder, rows=options.rows)
        port = free_port()
        with serving(folder, url, port=port):
            failures = walk(f"http://127.0.0.1:{port}")
        failures += trail(folder, url)
    print(f"\n{len(STEPS)} steps, {failures} not as told")
    sys.exit(1 if failures else 0)


def walk(base: str) -> int:
    """Run the steps, print request and answer, and return how many were not as told."""
    client = Client(base)
    failures = 0
    for number, step in enumerate(STEPS, 1):
        status, answer = client.run(step)
        problems = wrong(step, status, answer)
        print(f"\n{number:2}. {step.title}")
        print(f"    {curl(step, base, client.saved)}")
        print(f"    told: {step.told}")
        print(f"    got:  {status} {answer[:400]}")
        for problem in problems:
            print(f"    NOT AS TOLD: {problem}")
        failures += bool(problems)
    return failures


def trail(folder: Path, url: str) -> int:
    """Show the trail that the steps left and verify it; return 1 if it does not verify."""
    print("\nThe trail that this left:\n", flush=True)
    amanah = [sys.executable, "-W", "ignore", "-m", "amanah.cli"]
    env = environment(folder, url)
    for tenant in ("sinar-jaya", "klinik-melati"):
        subprocess.run([*amanah, "audit", "list", "--tenant", tenant, "--limit", "16"], env=env, check=False)  # noqa: S603
    print(flush=True)
    verified = subprocess.run([*amanah, "audit", "verify"], env=env, check=False)  # noqa: S603
    return int(verified.returncode != 0)


if __name__ == "__main__":
    main()
