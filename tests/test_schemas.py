"""The schemas: valid 2020-12, every property told, and judged alike by both validators."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import svit_datasets
from svit_datasets import schemas
from svit_datasets.check import explain, validator

FIXTURES = Path(__file__).parent / "fixtures" / "native"
MUTANTS = 800


def properties(schema: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield every property, at every depth, with its path."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties":
                yield from ((f"{path}.{key}", part) for key, part in value.items())
            yield from properties(value, f"{path}.{name}")
    elif isinstance(schema, list):
        for i, part in enumerate(schema):
            yield from properties(part, f"{path}[{i}]")


@pytest.mark.parametrize("name", schemas.NAMES)
def test_it_is_valid_2020_12(name):
    for schema in (schemas.load(name), schemas.record_schema(name)):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_property_has_a_title_and_a_description(name):
    schema = schemas.load(name)
    assert schema["title"]
    assert schema["description"]
    # under allOf a property is narrowed, not told again
    told = [(path, part) for path, part in properties(schema) if ".allOf[" not in path]
    assert told
    told += schema.get("$defs", {}).items()
    assert [path for path, part in told if "$ref" not in part and not ("title" in part and "description" in part)] == []


def test_an_unknown_schema_is_no_schema():
    with pytest.raises(KeyError, match="nothing"):
        schemas.load("nothing")


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> dict[str, list[Any]]:
    """Return valid records of every schema."""
    folder = tmp_path_factory.mktemp("schemas")
    sizes = [{"image_id": 1, "width": 800, "height": 600, "url": None}, {"image_id": 2, "width": 333, "height": 500}]
    images, told = folder / "image_data.json", folder / "report.json"
    images.write_text(json.dumps(sizes))
    inputs = sorted(FIXTURES.glob("*.json"))
    report = svit_datasets.to_llava(inputs, folder / "llava.json", images=images, report=told)
    assert report.by_code
    rows = json.loads((folder / "llava.json").read_text())
    lenient = [{"id": 7, "model": "", "conversations": [{"from": "human", "value": ""}]}]
    return {
        "native": [record for path in inputs for record in json.loads(path.read_text("utf-8"))],
        "llava": rows,
        "llava-lenient": [*rows, *lenient],
        "image_data": sizes,
        "report": [json.loads(told.read_text())],
        "statistics": [svit_datasets.stats(inputs, images=images).summary(top=3).to_dict()],
    }


ODD = (
    None, True, 0, 1, -1, 5.0, 1.5, 1e300, 2**70, "", "x", " ", "human", "user", "c0.0.1", "<image>\n", "<image>", [],
    {}, [1], {"x": 1}, "\U0001f600" * 8, "vg/VG_100K/2.jpg\n", "../vg/VG_100K/2.jpg",
    "vg/VG_100K/\u0662.jpg", "r0.0.1\n", "12345678", "error", "svit-datasets",
)  # fmt: skip


def mutate(value: Any, chance: random.Random) -> Any:
    """Return a copy of a JSON value that differs in one place: changed, left out, added or doubled."""
    whole = copy.deepcopy(value)
    part = whole
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        if not keys:
            return chance.choice(ODD)
        key = chance.choice(keys)
        if isinstance(part[key], dict | list) and part[key] and chance.random() < 0.7:
            part = part[key]
            continue
        kind = chance.randint(0, 3)
        if kind == 0:
            del part[key]
        elif kind == 1 and isinstance(part, dict):
            part[chance.choice(("extra", "x", "svit", "id", "topic"))] = chance.choice(ODD)
        elif kind == 1:
            part.append(part[key])
        else:
            part[key] = chance.choice(ODD)
        return whole


@pytest.mark.parametrize("name", schemas.NAMES)
def test_valid_records_are_valid_to_both(name, valid):
    for record in valid[name]:
        assert validator(name)(record) == []
        assert explain(record, name) == []


@pytest.mark.parametrize("name", schemas.NAMES)
def test_both_validators_agree_on_mutated_records(name, valid):
    chance = random.Random(name)
    reference = jsonschema.Draft202012Validator(schemas.record_schema(name))
    seen = {True: 0, False: 0}
    differ = []
    for _ in range(MUTANTS):
        mutant = mutate(chance.choice(valid[name]), chance)
        one, two = reference.is_valid(mutant), validator(name)(mutant) == []
        seen[one] += 1
        if one != two:
            differ.append(mutant)
    assert differ == []
    assert min(seen.values()) > MUTANTS // 50, seen
