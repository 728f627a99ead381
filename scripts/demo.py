"""The main job on embedded defaults, in a folder of its own: no key, no network, no dollars.

Simulates a reasoning model's branches, discovers controllers with the explorer that needs no language model, exports
the winner and evaluates the exported module. Everything goes through the `autotts` command, as a person would type it.
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path("runs/demo")
ITERATIONS = 24
SEEDS = 8


def main() -> int:
    """Runs the steps; the exit code is that of the first one that fails."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    archive = ["--archive", str(FOLDER / "archive.sqlite")]
    stores = str(FOLDER / "stores")
    store = f"{stores}/synthetic-4B/demo"
    winner = str(FOLDER / "winner.py")
    effort = ["--iterations", str(ITERATIONS), "--seeds", str(SEEDS)]
    steps = [
        ("simulate a reasoning model", ["store", "synthesize", "--model", "4B", "--to", stores]),
        (
            "discover controllers on it",
            ["discover", store, "--budget", "0", "--run", "demo", *effort, *archive],
        ),
        ("export the winner", ["export", "-o", winner, *archive]),
        (
            "evaluate the exported module beside the baselines",
            ["evaluate", store, winner, "sc(n=64)", "asc(n=64)", "esc(n=64)", "cmc@0.5", "--seeds", str(SEEDS)],
        ),
    ]
    for number, (title, arguments) in enumerate(steps, 1):
        print(f"\n[{number}/{len(steps)}] {title}\n$ autotts {shlex.join(arguments)}", file=sys.stderr, flush=True)
        code = subprocess.call([str(Path(sys.executable).parent / "autotts"), *arguments])
        if code:
            return code
    print(
        f"""
Three commands to try next:
  .venv/bin/autotts archive show --archive {FOLDER}/archive.sqlite
  .venv/bin/autotts evaluate {store} {winner} cmc adaptive_short
  .venv/bin/autotts discover --help""",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
