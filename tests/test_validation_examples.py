"""Every rule has a bad example that triggers it and nothing else, and a good one that triggers nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers_cli import run

from svit_datasets.findings import Finding
from svit_datasets.rules import FAMILIES, RULES
from svit_datasets.validation.examples import EXAMPLES, Example
from svit_datasets.validation.validate import Checks, validate

RUN = {code: example for code, example in EXAMPLES.items() if example.kind != "words"}
TRAINER = "trainer"
# Told in words, for it takes more than a record: another test of these files triggers each.
ELSEWHERE = (
    "test_validation_photos",
    "test_validation_trainer",
    "test_validation_lengths",
    "test_validation_records",
    "test_bad_input",
    "test_bad_llava",
    "test_bad_tables",
)


def findings(text: str, example: Example, code: str, folder: Path) -> list[Finding]:
    """Return what validate finds in a text; of the family trainer alone for a rule of it."""
    (folder / "mine.json").write_text(text if example.kind == "file" else f"[{text}]", encoding="utf-8")
    images = []
    if example.sizes:
        images = [folder / "image_data.json"]
        images[0].write_text(example.sizes)
    is_trainer = RULES[code].family == TRAINER
    checks = Checks(task=example.task or None, trainer="llava" if is_trainer else None)
    results = validate(folder / "mine.json", images=images, checks=checks)
    found = [f for f in results if not is_trainer or RULES[f.code].family == TRAINER]
    results.close()
    return found


def test_every_rule_has_an_example_and_every_example_a_rule() -> None:
    assert list(EXAMPLES) == list(RULES)
    assert {rule.family for rule in RULES.values()} == set(FAMILIES)


@pytest.mark.parametrize("code", RUN)
def test_the_bad_example_has_this_fault_and_no_other(code: str, tmp_path: Path) -> None:
    example = RUN[code]
    found = findings(example.bad, example, code, tmp_path)
    assert [f.code for f in found] == [code]
    [fault] = found
    assert fault.severity == RULES[code].severity
    assert fault.file == str(tmp_path / "mine.json")
    assert fault.record or example.kind == "file"


@pytest.mark.parametrize("code", RUN)
def test_the_good_example_has_none(code: str, tmp_path: Path) -> None:
    example = RUN[code]
    assert [str(f) for f in findings(example.good, example, code, tmp_path)] == []


@pytest.mark.parametrize("code", [code for code in EXAMPLES if code not in RUN])
def test_what_words_tell_is_triggered_by_a_test(code: str) -> None:
    files = (Path(__file__).with_name(f"{name}.py") for name in ELSEWHERE)
    assert any(f"{code}" in file.read_text("utf-8") for file in files if file.exists())


def test_a_code_is_explained_with_its_examples() -> None:
    ran = run("validate", "--explain", "turn-odd")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.decode().splitlines() == [
        "turn-odd (error; roles and turns)",
        "  expected: an answer after every question",
        "  to mend it: drop the last turn or add its answer: an odd number trains on zero tokens",
        f"  bad:  {EXAMPLES['turn-odd'].bad}",
        f"  good: {EXAMPLES['turn-odd'].good}",
    ]
    assert json.loads(EXAMPLES["turn-odd"].bad)["image_id"] == 2


def test_a_code_that_is_none_is_refused() -> None:
    ran = run("validate", "--explain", "turn-od")
    assert (ran.code, ran.err) == (2, "error: 'turn-od': several codes begin so or belong to it; name one\n")
    ran = run("validate", "--explain", "trun-odd")
    assert (ran.code, ran.err) == (
        2,
        "error: 'trun-odd': neither a code, nor the beginning of one, nor a family; did you mean 'turn-odd'?\n",
    )
