"""What an export refuses before anything is read or changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_cli import DONE, SAMPLE, UNUSABLE, call, tree

from svit_datasets.errors import UsageError
from svit_datasets.viewer.exporting import export
from svit_datasets.viewer.filters import Filter, check_code

INPUT = SAMPLE / "data" / "referring_qa.json"
UNREAD = "nowhere.json"  # what is refused is refused before this is missed


def refused(*args: object) -> str:
    """Return the message of a command that must be refused."""
    ran = call("view", *args)
    assert (ran.code, ran.out) == (UNUSABLE, b"")
    [line] = ran.err.splitlines()
    return line


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_is_refused_and_stays(tmp_path: Path, is_there: bool) -> None:
    link, target = tmp_path / "link", tmp_path / "look"
    link.symlink_to(target)
    if is_there:
        assert call("view", INPUT, "--export", target).code == DONE
    before = tree(tmp_path)
    message = f"error: {link}: is a link; name the folder that it leads to, or a new one"
    for given in (link, f"{link}/"):
        assert refused(UNREAD, "--export", given, "--overwrite") == message
    assert link.is_symlink()
    assert tree(tmp_path) == before


def test_a_folder_below_a_link_is_as_good_as_any(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for extra in ((), ("--overwrite",)):
        assert call("view", INPUT, "--export", tmp_path / "link" / "look", *extra).code == DONE
    assert {p.name for p in (tmp_path / "real").iterdir()} == {"look"}


@pytest.mark.parametrize("given", [".", "../here", "..", "made/.."])
def test_the_folder_one_is_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    (tmp_path / "here" / "made").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert refused(UNREAD, "--export", given) == (
        f"error: {Path(given)}: is the folder you are in, or holds it; name a new folder"
    )
    assert tree(tmp_path) == {"here", "here/made"}


def test_a_roundabout_name_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "look").mkdir()
    assert call("view", INPUT, "--export", tmp_path / "a" / ".." / "look").code == DONE
    assert {p.name for p in tmp_path.iterdir()} == {"a", "look"}
    assert (tmp_path / "look" / "index.html").is_file()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "box-invertd",
            "error: 'box-invertd': neither a code, nor the beginning of one, nor a family; "
            "did you mean 'box-inverted'?",
        ),
        (
            "marks",
            "error: 'marks': is the beginning of a code, or a family; pass one of marks-left, marks-unbalanced",
        ),
    ],
)
def test_an_unknown_code_is_said_before_anything_is_read(tmp_path: Path, code: str, message: str) -> None:
    assert refused(UNREAD, "--code", code, "--export", tmp_path / "look") == message
    assert refused(UNREAD, "--code", code, "--no-open") == message
    with pytest.raises(UsageError):
        export(UNREAD, tmp_path / "look", asked=Filter(code=code))
    assert tree(tmp_path) == set()


@pytest.mark.parametrize("code", ["", "any", "none", "box-inverted", "record-syntax"])
def test_a_code_that_no_record_has_is_no_mistake(code: str) -> None:
    assert check_code(code) == code


def test_options_of_the_server_are_refused_with_an_export(tmp_path: Path) -> None:
    common = [UNREAD, "--export", tmp_path / "look"]
    told = "not with --export, which serves nothing; leave out"
    assert refused(*common, "--no-open") == f"error: --no-open: {told}"
    assert refused(*common, "--port", "8000", "--no-open") == f"error: --port and --no-open: {told}"
