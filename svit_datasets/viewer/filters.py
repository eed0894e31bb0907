"""Which records are asked for, and the SQL that finds them in the index. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from svit_datasets.errors import UsageError
from svit_datasets.records import TASKS, find_task
from svit_datasets.rules import RULES

NO_TASK = "none"  # stands for records that nothing tells the task of
_IDS = ("image_id", "id", "image")  # each has an index
# What is asked of a record's findings besides one code.
_ANY_CODE = {"any": "record.badges != ''", "none": "record.badges = ''"}


class Filter(NamedTuple):
    """What records must have; '' asks for nothing.

    Attributes:
        task: A task's file stem, or ``none`` for records of no known task.
        text: Words that stand in a topic or a turn, as the page shows them but for case: without ``<st>`` and ``<ed>``.
        image_id: Image id, record id or image path, exactly.
        code: A finding's code, ``any`` for records with findings, ``none`` for those without.
    """

    task: str = ""
    text: str = ""
    image_id: str = ""
    code: str = ""

    def to_query(self) -> dict[str, str]:
        """Return the parts that ask for something, as the page's address has them.

        >>> Filter(text="red dog", code="any").to_query()
        {'text': 'red dog', 'code': 'any'}
        """
        return {name: value for name, value in self._asdict().items() if value}


EVERYTHING = Filter()


def from_query(query: Mapping[str, str]) -> Filter:
    """Return the filter that an address asks for.

    Args:
        query: Its parameters; those that are no filter are passed over.

    Returns:
        The filter.

    >>> from_query({"task": "referring_qa", "text": " dog ", "page": "3"})
    Filter(task='referring_qa', text='dog', image_id='', code='')
    """
    return Filter(*(query.get(name, "").strip() for name in Filter._fields))


def check_task(task: str) -> str:
    """Return the file stem of a task that is filtered by.

    Args:
        task: A file stem or a config name, ``none``, or '' for all.

    Returns:
        The stem, ``none`` or ''.

    Raises:
        UsageError: No task is called that.

    >>> check_task("referring"), check_task("none")
    ('referring_qa', 'none')
    """
    if task in ("", NO_TASK):
        return task
    stem = find_task(task)
    if stem is None:
        raise UsageError(f"no task is called {task!r}; pass one of {', '.join((*TASKS, NO_TASK))}")
    return stem


def check_code(code: str) -> str:
    """Return the code of a finding that is filtered by.

    Args:
        code: A code, ``any``, ``none``, or '' for all.

    Returns:
        The same.

    Raises:
        UsageError: No finding has that code.

    >>> check_code("box-inverted"), check_code("any")
    ('box-inverted', 'any')
    """
    from svit_datasets.validation.results import chosen_codes

    if code and code not in _ANY_CODE and code not in RULES:
        several = ", ".join(sorted(chosen_codes([code])))
        raise UsageError(f"{code!r}: is the beginning of a code, or a family; pass one of {several}")
    return code


def fold(text: str) -> bytes:
    """Return text as it is searched: without case, as bytes; ``fold`` of the page's source.js does the same.

    >>> fold("Caf\\u00c9") == fold("caf\\u00e9"), fold("STRASSE") == fold("Stra\\u00dfe")
    (True, True)
    """
    # Upper first, since that spells letters out that have no other case; a sigma at a word's end is a sigma.
    return text.upper().lower().replace("\u03c2", "\u03c3").encode("utf-8", "surrogatepass")


class Sql(NamedTuple):
    """A statement and its values."""

    statement: str
    values: tuple[str | bytes, ...] = ()


def to_sql(asked: Filter) -> Sql:
    """Return the statement that gives the numbers of the records asked for, in order.

    The text is looked for last, in the records that all else leaves.

    Args:
        asked: The filter.

    Returns:
        The statement.

    >>> to_sql(Filter(task="referring_qa")).statement
    'SELECT record.number FROM record WHERE record.task = ? ORDER BY record.number'
    """
    parts: list[Sql] = []
    if asked.task:
        parts.append(Sql("record.task = ?", (asked.task,)))
    if asked.image_id:
        clause = f"({' OR '.join(f'record.{name} = ?' for name in _IDS)})"
        parts.append(Sql(clause, (asked.image_id,) * len(_IDS)))
    if asked.code:
        parts.append(_of_code(asked.code))
    if asked.text:
        parts.append(Sql("instr(words.folded, ?)", (fold(asked.text),)))
    tables = "record CROSS JOIN words ON words.number = record.number" if asked.text else "record"
    where = f" WHERE {' AND '.join(part.statement for part in parts)}" if parts else ""
    statement = f"SELECT record.number FROM {tables}{where} ORDER BY record.number"
    return Sql(statement, tuple(value for part in parts for value in part.values))


def _of_code(code: str) -> Sql:
    if code in _ANY_CODE:
        return Sql(_ANY_CODE[code])
    return Sql("record.number IN (SELECT number FROM found WHERE code = ?)", (code,))
