"""The demo: `python -m iconix.demo` sets the protected app up, serves it and prints what to try."""

import argparse
import shutil
from pathlib import Path

from iconix.seed import DEMO_ACCOUNTS
from iconix.serving import database_in, prepare, serving
from iconix.steps import STEPS, Client, curl, sign_in_lines


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m iconix.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where database and keys lie (%(default)s)")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--rows", type=int, default=3500, help="about how many rows (%(default)s)")
    parser.add_argument("--fresh", action="store_true", help="throw an earlier demo away first")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    ready = folder / "ready"
    if ready.exists():
        url = database_in(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        print("Migrating, creating tenants and keys, importing demo data …", flush=True)
        url = prepare(folder, rows=options.rows)
        ready.touch()
    base = f"http://127.0.0.1:{options.port}"
    with serving(folder, url, port=options.port) as process:
        explain(base)
        try:
            process.wait()
        except KeyboardInterrupt:
            print("\nStopped. The demo's data stay in", folder)


def explain(base: str) -> None:
    """Print who can sign in and what to try."""
    client = Client(base)
    for step in STEPS:
        if step.save:
            client.run(step)
    print(f"\nICONIX behind Amanah: {base}   (console: {base}/amanah)\n\nWho can sign in:")
    for one in DEMO_ACCOUNTS:
        print(f"  {one.tenant:14} {one.role:19} {one.email:36} {one.password}")
    print("\nIn another terminal, sign in:\n")
    for line in sign_in_lines(base):
        print(line)
    print("\nand try:\n")
    for step in STEPS:
        print(f"# {step.title}  →  {step.told}")
        print(curl(step, base, client.saved), "\n")
    print("The trail of all that:   make trail      Stop with Ctrl+C", flush=True)


if __name__ == "__main__":
    main()
