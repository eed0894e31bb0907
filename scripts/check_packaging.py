"""Build the wheel and the sdist, compare the wheel with the tree, install it elsewhere, run the tests against it."""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, **env: str) -> None:
    print("+", *command, flush=True)
    subprocess.run([str(c) for c in command], cwd=cwd, check=True, env={**os.environ, **env})


def expected_files() -> set[str]:
    """Every module and data file that git tracks of the three source folders, as the wheel should hold them."""
    command = ["git", "ls-files", "svit_datasets", "converters", "schemas"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    files = {f for f in listed if f and not ((ROOT / f).is_symlink() and (ROOT / f).is_dir())}
    return {f if f.startswith("svit_datasets/") else f"svit_datasets/{f}" for f in files}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "build", "--outdir", folder / "dist", ROOT, cwd=folder)
        (wheel,) = (folder / "dist").glob("*.whl")
        held = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("svit_datasets/")}
        if held != expected_files():
            sys.exit(f"wheel and tree differ: {sorted(held ^ expected_files())}")
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        run(
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            f"{wheel}[dev]",
            cwd=folder,
        )
        where = "import svit_datasets, sys; sys.exit('site-packages' not in svit_datasets.__file__)"
        run(python, "-c", where, cwd=folder)
        run(
            python,
            "-m",
            "pytest",
            "-q",
            "-n",
            "auto",
            "-p",
            "no:cacheprovider",
            "-c",
            ROOT / "pyproject.toml",
            ROOT / "tests",
            cwd=folder,
        )


if __name__ == "__main__":
    main()
