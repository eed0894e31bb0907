"""The public names: they import, are documented, are cheap to import, and errors travel between processes."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import subprocess
import sys

import pytest

import svit_datasets
from svit_datasets.findings import finding
from tests.helpers_cli import REPOSITORY

ERRORS = ("SvitError", "UsageError", "InputError", "RecordError", "FindingsError", "OutputError")
BUILTIN = {
    "UsageError": ValueError,
    "InputError": OSError,
    "RecordError": ValueError,
    "FindingsError": ValueError,
    "OutputError": OSError,
}


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new Python, in the repository's root."""
    return subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", svit_datasets.__all__)
def test_a_public_name_imports_and_is_documented(name: str) -> None:
    thing = getattr(svit_datasets, name)
    assert thing.__name__ == name
    assert thing.__module__.startswith("svit_datasets.")
    documented = inspect.getdoc(thing)
    assert documented
    assert not documented.startswith(f"{name}(")


@pytest.mark.parametrize("name", [n for n in svit_datasets.__all__ if inspect.isfunction(getattr(svit_datasets, n))])
def test_a_public_function_is_annotated_and_explains_its_arguments(name: str) -> None:
    function = getattr(svit_datasets, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty
    if len(signature.parameters) > 1:
        assert function.__doc__ is not None
        assert all(f"{p}:" in function.__doc__ for p in signature.parameters)


def test_the_list_of_names_is_sorted_complete_and_listed() -> None:
    assert sorted(set(svit_datasets.__all__)) == sorted(svit_datasets.__all__)
    assert set(svit_datasets.__all__) <= set(dir(svit_datasets))
    assert set(svit_datasets._HOME) == set(svit_datasets.__all__)
    names: dict[str, object] = {}
    exec("from svit_datasets import *", names)
    assert set(svit_datasets.__all__) <= set(names)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'svit_datasets' has no attribute 'convert'$"):
        svit_datasets.convert  # noqa: B018
    with pytest.raises(ImportError, match=r"^cannot import name 'convert' from 'svit_datasets'"):
        exec("from svit_datasets import convert")


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("pyarrow", "PIL", "datasets", "rich", "numpy", "msgspec", "jsonschema", "jsonschema_rs", "click", "duckdb")
    ran = python(f"import sys, json, svit_datasets; print(json.dumps([m for m in {heavy} if m in sys.modules]))")
    assert (ran.returncode, json.loads(ran.stdout)) == (0, [])


def test_help_loads_nothing_heavy() -> None:
    heavy = ("pyarrow", "PIL", "datasets", "rich", "numpy", "jsonschema", "jsonschema_rs")
    code = f"""
import sys
from svit_datasets.cli import main
try:
    main(["to-llava", "--help"])
finally:
    print([m for m in {heavy} if m in sys.modules])
"""
    ran = python(code)
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", ERRORS)
def test_errors_survive_pickling_and_copying(name: str) -> None:
    kind = getattr(svit_datasets, name)
    fault = finding("turn-empty", "''", file="a.json", record=812, id=42, path="$.conversations[0]")
    for error in (kind("a.json: too bad"), kind(str(fault), fault)):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(error, protocol))
            assert type(again) is kind
            assert (str(again), again.message, again.finding) == (str(error), error.message, error.finding)
        assert str(copy.copy(error)) == str(copy.deepcopy(error)) == str(error)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_also_the_builtin_ones(name: str) -> None:
    kind = getattr(svit_datasets, name)
    assert issubclass(kind, svit_datasets.SvitError)
    assert issubclass(kind, BUILTIN.get(name, Exception))


def test_an_error_of_the_system_has_no_number_that_is_a_text() -> None:
    for name in ("InputError", "OutputError"):
        error = getattr(svit_datasets, name)("a.json: too bad")
        assert error.errno is None
        assert error.strerror is None
        assert error.filename is None


@pytest.mark.parametrize("name", ["converters", "schemas"])
def test_the_bare_name_of_a_mapped_package_is_refused(name: str) -> None:
    ran = python(f"import {name}")
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith(
        f"ImportError: import svit_datasets.{name}; under its bare name a second copy would load"
    )
    assert python(f"import svit_datasets.{name}").returncode == 0


def test_the_version_is_told() -> None:
    from importlib.metadata import version

    assert svit_datasets.__version__ == svit_datasets.VERSION == version("svit-datasets")
