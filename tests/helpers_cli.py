"""What the tests of files and commands share: run ``svit-convert`` as a process, make records, photos and archives."""

from __future__ import annotations

import contextlib
import ctypes
import gzip
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import svit_datasets
from svit_datasets.cli import main

COMMAND = str(Path(sys.executable).with_name("svit-convert"))
REPOSITORY = Path(__file__).parents[1]
SAMPLE = Path(svit_datasets.__file__).parent / "sample"
POLICIES = ("raise", "skip", "collect")
DONE, FAULTS, UNUSABLE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
WAIT_SECONDS = 60
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2


class Ran(NamedTuple):
    """A finished process: exit status, standard output, standard error."""

    code: int
    out: bytes
    err: str


def start(*args: object, **given: Any) -> subprocess.Popen[bytes]:
    """Start the command; standard streams are pipes unless given."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [COMMAND, *(os.fspath(a) if isinstance(a, Path) else a for a in args)], **{**pipes, **given}
    )


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> Ran:
    """Wait for a process; a traceback on standard error is a failure whatever else the test asserts."""
    out, err = process.communicate(stdin, timeout=WAIT_SECONDS)
    text = (err or b"").decode("utf-8", "replace")
    assert not re.search("Traceback|Exception ignored", text), text[-600:]
    return Ran(process.returncode, out or b"", text)


def run(*args: object, stdin: bytes = b"", **given: Any) -> Ran:
    """Run the command to its end."""
    return finish(start(*args, **given), stdin)


def call(*args: object) -> Ran:
    """Run the command inside this process, which is quicker; what it does not catch is raised here."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    before, code = signal.getsignal(signal.SIGTERM), DONE
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            main([str(a) for a in args])
    except SystemExit as stop:
        code = int(stop.code or DONE)
    finally:
        signal.signal(signal.SIGTERM, before)
    out, err = (stream.buffer.getvalue() for stream in streams)  # type: ignore[attr-defined]
    return Ran(code, out, err.decode())


def run_policies(*args: object, cwd: Path, output: str) -> dict[str, Ran]:
    """Run the command once for each policy of ``--on-error``, side by side.

    Each run writes ``POLICY/made/`` + ``output`` and ``POLICY.report.json`` under ``cwd``.
    """
    running = {
        policy: start(
            *args, "--on-error", policy, "-o", f"{policy}/made/{output}", "--report", f"{policy}.report.json", cwd=cwd
        )
        for policy in POLICIES
    }
    return {policy: finish(process) for policy, process in running.items()}


def tree(folder: Path) -> set[str]:
    """Return every file and folder below ``folder``, temporary ones too."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


def wait_for(is_there: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until something shows that the process has come to a certain point."""
    end = time.monotonic() + WAIT_SECONDS
    while not is_there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the process did not come that far"
        time.sleep(0.01)


def obey_modes() -> None:
    """Make permission bits count for root too; for ``preexec_fn``. For others they count anyway."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


def limit_file_size(size: int) -> Callable[[], None]:
    """Return a ``preexec_fn`` that makes every write beyond ``size`` bytes of a file fail, like a full disk."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def record(image_id: Any, *values: str, **extra: Any) -> dict[str, Any]:
    """Return a native record with one conversation; its turns are ``values``, by default a question and an answer."""
    turns = values or ("Why?", "So.")
    content = [{"from": ("user", "gpt")[i % 2], "value": value} for i, value in enumerate(turns)]
    return {"image_id": image_id, "conversations": [{"content": content}], **extra}


def encode(value: Any) -> bytes:
    """Return ``value`` as JSON the way Python writes it."""
    return json.dumps(value).encode()


def make_zip(members: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def encrypt_flag(archive: bytes) -> bytes:
    """Return a zip archive whose first member claims to be encrypted."""
    changed = bytearray(archive)
    changed[archive.index(b"PK\x03\x04") + 6] |= 1
    changed[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def damage(content: bytes, start: int, count: int = 40) -> bytes:
    """Return ``content`` with ``count`` bytes from ``start`` turned over."""
    return content[:start] + bytes(b ^ 0xFF for b in content[start : start + count]) + content[start + count :]


def make_bomb(kind: str, *, head: bytes, filler: bytes, megabytes: int) -> bytes:
    """Return a small archive, ``zip`` or ``gz``, that expands to ``megabytes`` of ``filler`` behind ``head``."""
    block, packed = filler * (1 << 20), io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.json", "w") as member:
            member.write(head)
            for _ in range(megabytes):
                member.write(block)
    else:
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream:
            stream.write(head)
            for _ in range(megabytes):
                stream.write(block)
    return packed.getvalue()


def save_photo(path: Path, size_wh: tuple[int, int], **options: Any) -> Path:
    """Write a JPEG of one colour."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh, (90, 120, 60)).save(path, format="JPEG", **options)
    return path


def png_header(width: int, height: int) -> bytes:
    """Return the beginning of a PNG that claims a size; the pixels are not there."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )


def jpeg_header(width: int, height: int) -> bytes:
    """Return the beginning of a JPEG that claims a size; the pixels are not there."""
    frame = struct.pack(">HBHHB", 17, 8, height, width, 3) + b"\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    scan = struct.pack(">HB", 12, 3) + b"\x01\x00\x02\x00\x03\x00\x00\x3f\x00"
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda" + scan
