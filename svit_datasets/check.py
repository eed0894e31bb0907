"""What a record must hold: its schema, and the demands of LLaVA's loader on turns and texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from svit_datasets import schemas
from svit_datasets.findings import Finding, finding, quote

ROLES = ("user", "gpt")
# A text that trains on nothing or breaks the batch, in one look. ' ASSISTANT: ' counts at a text's edges too, for the
# loader sets a space before and behind each text.
_SUSPECT = re.compile(r"</s>|<image>|ASSISTANT: |ASSISTANT:\Z")


def check_turns(roles: Sequence[str], values: Sequence[str], *, path: str = "$") -> list[Finding]:
    """Return what would make LLaVA's loader crash on a conversation or train on none of it.

    The points are 3 to 5 of what the loader needs: strict alternation from the user, an even number of turns, no
    empty value, no ``</s>``, ``<image>`` or `` ASSISTANT: `` inside a text.

    Args:
        roles: ``user`` or ``gpt`` of each turn.
        values: Its text as it goes to the trainer, without the leading ``<image>``.
        path: JSON path of the conversation.

    Returns:
        Findings, with JSON paths.

    >>> [f.code for f in check_turns(["user", "gpt", "gpt"], ["Why?", " ", "x</s>"])]
    ['turn-odd', 'turn-role', 'turn-empty', 'token-eos']
    """
    count = len(roles)
    if not count:
        return [finding("no-turns", "an empty list", path=f"{path}.content")]
    found = []
    if count % 2:
        found.append(finding("turn-odd", f"{count} turns", path=f"{path}.content"))
    for turn, role in enumerate(roles):
        if role != ROLES[turn % 2]:
            place = f"{path}.content[{turn}].from"
            found.append(finding("turn-role", quote(role), expected=f"'{ROLES[turn % 2]}'", path=place))
            break
    for turn, value in enumerate(values):
        if not value or value.isspace():
            mend = None if not value else "drop the pair: it says nothing"
            found.append(finding("turn-empty", quote(value), path=f"{path}.content[{turn}].value", mend=mend))
        elif _SUSPECT.search(value):
            found += _tokens(value, f"{path}.content[{turn}].value")
    return found


def _tokens(value: str, path: str) -> list[Finding]:
    tokens = (("token-image", "<image>", value), ("token-eos", "</s>", value))
    spaced = ("token-assistant", " ASSISTANT: ", f" {value} ")
    return [
        finding(code, f"{token!r} in {quote(value)}", path=path)
        for code, token, text in (*tokens, spaced)
        if token in text
    ]


Validator = Callable[[Any], list[tuple[str, str]]]


@cache
def validator(name: str) -> Validator:
    """Return a function that lists where a record departs from the schema ``name``.

    Args:
        name: One of ``schemas.NAMES``.

    Returns:
        A function from a record to ``(JSON path, message)`` pairs; an empty list means valid.

    >>> validator("native")({"image_id": "5", "conversations": []})
    [('$.image_id', '"5" is not of type "integer"')]
    """
    import jsonschema_rs

    compiled = jsonschema_rs.Draft202012Validator(schemas.record_schema(name))
    is_valid, iter_errors = compiled.is_valid, compiled.iter_errors

    def check(record: Any) -> list[tuple[str, str]]:
        try:
            if is_valid(record):
                return []
            return [(_path(error.instance_path), error.message[:300]) for error in iter_errors(record)]
        except ValueError as error:  # nested past the validator's limit
            return [("$", str(error).lower())]

    return check


def explain(record: Any, name: str) -> list[str]:
    """Return every departure of ``record`` from the schema ``name``, told by the reference implementation.

    Slower than ``validator``, and made for one record: each line has the JSON path, the message and the schema's own
    description of the place.

    >>> explain({"image_id": "5", "conversations": []}, "native")
    ["$.image_id: '5' is not of type 'integer' (Image id: Visual Genome's image id.)"]
    """
    import jsonschema

    errors = jsonschema.Draft202012Validator(schemas.record_schema(name)).iter_errors(record)
    return [f"{error.json_path}: {error.message}{_about(error.schema)}" for error in errors]


def _about(schema: Any) -> str:
    if not isinstance(schema, dict) or "description" not in schema:
        return ""
    return f" ({schema.get('title', '')}: {schema['description']})"


def _path(parts: Sequence[str | int]) -> str:
    return "$" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)
