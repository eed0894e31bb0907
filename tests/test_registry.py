"""The registry of layouts: it alone knows their names, and other packages add theirs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import svit_datasets
from svit_datasets.converters import formats
from svit_datasets.schemas import NAMES

SOURCES = sorted(Path(svit_datasets.__file__).parent.rglob("*.py"))
BY_NAME = re.compile(
    r"\b(?:if|elif|case|match)\b[^\n]*\b(?:name|format|fmt|layout|target)\b\s*(?:==|!=|in)\s*[(\[{]?['\"]"
)

THIRD = """
import dataclasses
from svit_datasets.converters import llava
FORMAT = dataclasses.replace(llava.FORMAT, name="third", title="A third party's")
"""


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.name)
def test_no_source_decides_by_the_name_of_a_layout(source):
    assert BY_NAME.findall(source.read_text("utf-8")) == []


def test_the_pattern_finds_what_it_forbids():
    assert BY_NAME.search('    if name == "llava":')
    assert BY_NAME.search("elif fmt.name in ('llava', 'x'):")


def test_every_layout_is_complete():
    for name, fmt in formats().items():
        assert (fmt.name, fmt.schema in NAMES) == (name, True)
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert fmt.title
        assert fmt.box_convention
        assert all(fmt.losses)


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    (tmp_path / "third_party_layout.py").write_text(THIRD)
    info = tmp_path / "third_party_layout-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-layout\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[svit_datasets.formats]\nthird = third_party_layout:FORMAT\n")
    monkeypatch.syspath_prepend(tmp_path)
    formats.cache_clear()
    yield
    formats.cache_clear()
    sys.modules.pop("third_party_layout", None)


@pytest.mark.usefixtures("third_party")
def test_another_package_adds_its_layout_by_entry_point():
    assert list(formats()) == ["llava", "third"]
    assert formats()["third"].title == "A third party's"


def test_without_that_package_its_layout_is_gone():
    assert "third" not in formats()
