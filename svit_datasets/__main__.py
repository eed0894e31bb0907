"""The command's way in, also as ``python -m svit_datasets``: an interruption is told in a line while it loads, too."""

from __future__ import annotations

import atexit
import gc
import sys


def main() -> None:
    """Run the command line of this process."""
    gc.set_threshold(50_000, 20, 20)  # what is loaded makes half a million objects that stay
    atexit.register(gc.freeze)  # what is left at the end goes with the process
    try:
        from svit_datasets.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing was written\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
