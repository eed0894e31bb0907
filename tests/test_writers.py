"""Outputs appear whole and together or not at all, and are ASCII."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svit_datasets import OutputError, UsageError
from svit_datasets.writing.writers import JsonList, OutputSet, encode_ascii, output_error, refuse_target
from tests.helpers_cli import tree


class StopError(Exception):
    """What the tests raise inside a block."""


def stop() -> None:
    raise StopError


def write_set(
    *steps: Callable[[OutputSet], object], overwrite: bool = False, end: Callable[[], object] = lambda: None
) -> None:
    """Do the steps in the block of one ``OutputSet``."""
    with OutputSet(overwrite=overwrite) as outputs:
        for step in steps:
            step(outputs)
        end()


def put(name: str, data: bytes = b"") -> Callable[[OutputSet], object]:
    """Return the step that writes a file."""
    return lambda outputs: outputs.open(name).write(data)


def spool(folder: str) -> Callable[[OutputSet], object]:
    """Return the step that spools on the disk of a folder."""
    return lambda outputs: outputs.spool(folder).write(b"3")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def set_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def test_files_appear_together_at_the_end() -> None:
    with OutputSet() as outputs:
        first, second = outputs.open("a/first.json"), outputs.open("b/c/second.json")
        first.write(b"1")
        second.write(b"2")
        assert not Path("a/first.json").exists()
        assert not Path("b/c/second.json").exists()
        assert all(Path(name).name.startswith(".") for name in tree(Path()) if Path(name).is_file())
    assert (read("a/first.json"), read("b/c/second.json")) == (b"1", b"2")
    assert tree(Path()) == {"a", "a/first.json", "b", "b/c", "b/c/second.json"}
    assert (first.bytes, second.bytes) == (1, 1)


@pytest.mark.parametrize("kind", [StopError, KeyboardInterrupt, SystemExit])
def test_nothing_appears_when_the_block_fails(kind: type[BaseException]) -> None:
    def end() -> None:
        raise kind("on purpose")

    with pytest.raises(kind, match=r"^on purpose$"):
        write_set(put("a/first.json", b"1"), put("b/c/second.json", b"2"), spool("d/e"), end=end)
    assert tree(Path()) == set()


@pytest.mark.parametrize("names", [["a/b/x", "a/y"], ["a/y", "a/b/x"], ["a/b/c/x", "a/b/y", "a/z"]])
def test_folders_that_were_made_are_removed_in_any_order(names: list[str]) -> None:
    with pytest.raises(StopError):
        write_set(*map(put, names), end=stop)
    assert tree(Path()) == set()


def test_a_folder_made_for_a_spool_below_another_is_removed() -> None:
    with pytest.raises(StopError):
        write_set(put("made/rest.json"), spool("made/native"), end=stop)
    assert tree(Path()) == set()


def test_an_interrupt_right_behind_a_temporary_file_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_args: object, **_given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_set(put("made/x"))
    assert tree(Path()) == set()


def test_an_interrupt_right_behind_a_new_folder_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def interrupt(self: Path, *args: Any, **given: Any) -> None:
        make(self, *args, **given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_set(put("made/x"))
    assert tree(Path()) == set()


def test_folders_that_were_there_stay() -> None:
    Path("there").mkdir()
    with pytest.raises(StopError):
        write_set(put("there/made/x"), end=stop)
    assert tree(Path()) == {"there"}


def test_folders_that_hold_something_else_by_now_stay() -> None:
    with pytest.raises(StopError):
        write_set(put("made/x"), lambda _outputs: Path("made/other").write_text("not ours"), end=stop)
    assert tree(Path()) == {"made", "made/other"}


def test_an_existing_file_is_kept_when_the_block_fails() -> None:
    Path("x").write_text("precious")
    with pytest.raises(StopError):
        write_set(put("x", b"new"), overwrite=True, end=stop)
    assert read("x") == b"precious"
    assert tree(Path()) == {"x"}


def test_an_existing_file_is_replaced_when_asked() -> None:
    Path("x").write_text("precious")
    with OutputSet(overwrite=True) as outputs:
        outputs.open("x").write(b"new")
        assert read("x") == b"precious"
    assert read("x") == b"new"


def test_an_existing_file_is_refused_when_not_asked() -> None:
    Path("x").write_text("precious")
    with pytest.raises(UsageError, match=r"^x: exists already; name another output or pass --overwrite$"):
        write_set(put("y", b"1"), put("x", b"2"))
    assert tree(Path()) == {"x"}
    assert read("x") == b"precious"


@pytest.mark.parametrize("other", ["x", "./x", "sub/../x"])
def test_one_name_is_refused_twice(other: str) -> None:
    Path("sub").mkdir()
    with pytest.raises(UsageError, match=r"is named for two outputs; name another$"):
        write_set(put("x"), put(other), overwrite=True)
    assert tree(Path()) == {"sub"}


@pytest.mark.usefixtures("set_umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o027])
def test_permissions_follow_the_umask(mask: int) -> None:
    os.umask(mask)
    with OutputSet() as outputs:
        outputs.open("x").write(b"1")
    assert stat.S_IMODE(Path("x").stat().st_mode) == 0o666 & ~mask
    assert os.umask(mask) == mask


def block_second(_outputs: OutputSet) -> None:
    """Put a folder where the second file should go."""
    Path("second").mkdir()
    Path("second/x").write_text("not ours")


def test_a_target_that_cannot_be_taken_is_an_output_error() -> None:
    with pytest.raises(OutputError, match=r"^second: "):
        write_set(put("first"), put("second"), block_second)
    assert not any(name.endswith(".part") for name in tree(Path()))


def test_files_appear_together_even_if_the_last_cannot_be_renamed() -> None:
    with pytest.raises(OSError, match="second"):
        write_set(put("first"), put("second"), block_second)
    assert tree(Path()) == {"second", "second/x"}


NO_ROOM = "nothing was written under this name. Make room or name another place"


def test_a_failing_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=r"^x: input/output error; nothing was written under this name\.") as caught:
        write_set(put("x", b"1"))
    assert str(caught.value) == f"x: input/output error; {NO_ROOM}"
    assert tree(Path()) == set()


def test_the_message_of_an_output_error_is_its_whole_text() -> None:
    error = output_error("x", OSError(errno.ENOSPC, "No space left on device"))
    assert str(error) == f"x: no space left on device; {NO_ROOM}"


def test_standard_output_is_sent_at_the_end(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with OutputSet() as outputs:
        outputs.open("-").write(b"later")
        assert capfdbinary.readouterr().out == b""
    assert capfdbinary.readouterr().out == b"later"


def test_standard_output_is_not_sent_when_the_block_fails(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(StopError):
        write_set(put("-", b"never"), end=stop)
    assert capfdbinary.readouterr().out == b""


@pytest.mark.parametrize("name", ["input", "./input", "link"])
def test_inputs_are_refused(name: str) -> None:
    Path("input").write_text("precious")
    Path("link").symlink_to("input")
    with pytest.raises(UsageError, match=r"is an input; inputs are never modified, so name another output$"):
        refuse_target(name, inputs=["-", "nowhere", "input"], overwrite=True)
    refuse_target("other", inputs=["input"], overwrite=False)


def test_a_folder_is_refused() -> None:
    Path("folder").mkdir()
    with pytest.raises(UsageError, match=r"^folder: is a folder; name a file in it$"):
        refuse_target("folder", overwrite=True)


@pytest.mark.parametrize("elements", [[], [b"1"], [b"1", b'{"a":2}', b"[]"]])
def test_a_list_has_one_element_a_line(elements: list[bytes]) -> None:
    with OutputSet() as outputs:
        written = JsonList(outputs.open("x"))
        for element in elements:
            written.append(element)
        written.close()
    assert written.count == len(elements)
    assert json.loads(read("x")) == [json.loads(e) for e in elements]
    assert read("x").count(b"\n") == (len(elements) + 2 if elements else 1)


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text()
VALUES = st.recursive(SCALARS, lambda s: st.lists(s) | st.dictionaries(st.text(), s), max_leaves=8)


@given(VALUES)
def test_what_is_encoded_is_ascii_in_one_line_and_the_same_value(value: object) -> None:
    data = encode_ascii(value)
    assert data.isascii()
    assert b"\n" not in data
    assert json.loads(data) == value


def test_raw_parts_are_escaped_too() -> None:
    raw = msgspec.Raw('{"caf\u00e9": "\U0001f600 \\u00e9 1.50"}'.encode())
    assert encode_ascii({"a": raw}) == b'{"a":{"caf\\u00e9": "\\ud83d\\ude00 \\u00e9 1.50"}}'


def test_numbers_keep_their_spelling_in_raw_parts() -> None:
    assert encode_ascii([msgspec.Raw(b"1.50"), msgspec.Raw(b"1E5")]) == b"[1.50,1E5]"
