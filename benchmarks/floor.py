"""What no converter written with msgspec can fall below: read as a stream, decode typed, encode, write; no conversion.

    python benchmarks/floor.py FILE... [-o OUT.json]

The reader is the package's own, record by record, its checks included.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from svit_datasets.reading.containers import open_source
from svit_datasets.reading.readers import decode_native, read_items

WRITE_BYTES = 1 << 20


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Without it records are decoded and dropped.")
def main(files: tuple[str, ...], output: Path | None) -> None:
    if output is None:
        read_all(files)
    else:
        copy_all(files, output)


def read_all(files: tuple[str, ...]) -> None:
    """Decode every record."""
    for name in files:
        with open_source(name) as source:
            for item in read_items(source, decode_native):
                _refuse(item.record is None)


def copy_all(files: tuple[str, ...], output: Path) -> None:
    """Write the records of all files to one."""
    encode_into, held, joint = msgspec.json.Encoder().encode_into, bytearray(), b"["
    with output.open("wb") as out:
        for name in files:
            with open_source(name) as source:
                for item in read_items(source, decode_native):
                    _refuse(item.record is None)
                    held += joint
                    encode_into(item.record, held, len(held))
                    joint = b",\n"
                    if len(held) > WRITE_BYTES:
                        out.write(held)
                        held.clear()
        out.write(held + b"]\n")


def _refuse(is_faulty: bool) -> None:
    if is_faulty:
        sys.exit("a record is at fault: made files have none")


if __name__ == "__main__":
    main()
