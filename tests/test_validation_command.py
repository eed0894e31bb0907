"""``svit-convert validate`` as a process: its outputs, exit statuses, --select, --fix, --explain; what it leaves behind."""

# ruff: noqa: E501 -- full messages stand in one line each

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import jsonschema
import pytest
from helpers_cli import (
    DONE,
    FAULTS,
    INTERRUPTED,
    REPOSITORY,
    TERMINATED,
    UNUSABLE,
    call,
    encode,
    finish,
    limit_file_size,
    record,
    run,
    start,
    tree,
    wait_for,
)

from svit_datasets.images.visual_genome import image_ids
from svit_datasets.rules import RULES
from svit_datasets.validation.fixes import MENDED
from svit_datasets.validation.validate import Checks, validate

FILE = "mine.json"
EMPTY = "It seems your message is empty."
BAD = [
    record(2, "Why? ", "So."), record(3, " Who?", "I </s>."), record(4, "Where?\n", "<st>here<ed> [0.5, 0.1, 0.2, 1.4]"),
    record(5, "Is it? ", "It is on the"), record(6, "What?", EMPTY, "And?", "Yes."), record(7, "a", "b", "c"),
]  # fmt: skip
CONTENT = "$.conversations[0].content"
FOUND = [
    (1, "text-untrimmed", "[0].value"), (2, "token-eos", "[1].value"), (2, "text-untrimmed", "[0].value"), (3, "text-untrimmed", "[0].value"),
    (3, "box-outside", "[1].value"), (3, "box-inverted", "[1].value"), (4, "text-untrimmed", "[0].value"), (4, "answer-cut-off", "[1].value"),
    (5, "answer-message-empty", "[1].value"), (6, "turn-odd", ""),
]  # fmt: skip
TEXT = f"""\
roles and turns
  error: turn-odd, 1 time
    {FILE}:6 id=7 {CONTENT}: found 3 turns; expected an answer after every question; drop the last turn or add its answer: an odd number trains on zero tokens
tokens and text
  error: token-eos, 1 time
    {FILE}:2 id=3 {CONTENT}[1].value: found '</s>' in 'I </s>.'; expected no </s> inside a text; take the token out: it makes the conversation train on zero tokens
  note: text-untrimmed, 4 times
    {FILE}:1 id=2 {CONTENT}[0].value: found 'Why? '; expected no white space at a text's edges; trim it; --fix does
    {FILE}:2 id=3 {CONTENT}[0].value: found ' Who?'; expected no white space at a text's edges; trim it; --fix does
    {FILE}:3 id=4 {CONTENT}[0].value: found 'Where?\\n'; expected no white space at a text's edges; trim it; --fix does
    ... and 1 more
grounded text
  warning: box-outside, 1 time
    {FILE}:3 id=4 {CONTENT}[1].value: found '[0.5, 0.1, 0.2, 1.4]'; expected fractions of the image, 0 to 1; correct it in the source; conversions take it as it is
  warning: box-inverted, 1 time
    {FILE}:3 id=4 {CONTENT}[1].value: found '[0.5, 0.1, 0.2, 1.4]'; expected x1 <= x2 and y1 <= y2; correct it in the source; conversions take it as it is
answers
  error: answer-message-empty, 1 time
    {FILE}:5 id=6 {CONTENT}[1].value: found '{EMPTY}'; expected an answer to the question; drop it; --fix does: it answers an empty message, not the question
  warning: answer-cut-off, 1 time
    {FILE}:4 id=5 {CONTENT}[1].value: found an end like 'It is on the'; expected a finished sentence; complete or drop it: the model would learn to stop there
"""
SUMMARY = "validate: 6 records, 6 with findings: 3 errors, 3 warnings, 4 notes\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(FILE).write_bytes(encode(BAD))


def fix(values: list[Any] | bytes, name: str = "a.json", new: str = "b.json") -> tuple[bytes, list[dict[str, Any]]]:
    """Mend a file; return the new one's bytes and the changes. The input stays as it is."""
    content = values if isinstance(values, bytes) else encode(values)
    Path(name).write_bytes(content)
    ran = call("validate", name, "--fix", new, "--report", f"{new}.report", "--overwrite", "--fail-on", "never")
    assert (ran.code, ran.err) == (DONE, "")
    assert Path(name).read_bytes() == content
    return Path(new).read_bytes(), json.loads(Path(f"{new}.report").read_bytes()).get("changes", [])


# --- outputs


def test_text_is_grouped_and_has_no_escape_codes_in_a_pipe() -> None:
    ran = run("validate", FILE, env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"})
    assert ran == (FAULTS, (TEXT + SUMMARY).encode(), "")
    assert run("validate", "-", stdin=encode(BAD)) == (FAULTS, (TEXT + SUMMARY).replace(FILE, "-").encode(), "")


def test_text_is_coloured_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    process = start("validate", FILE, stdout=theirs, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (part := os.read(ours, 1 << 16))
        except OSError:  # the other side is closed
            break
        if not part:
            break
    os.close(ours)
    assert finish(process)[::2] == (FAULTS, "")
    text = shown.decode().replace("\r\n", "\n")
    assert re.sub(r"\x1b\[[0-9]+m", "", text) == TEXT + SUMMARY
    for code, line in ((1, "roles and turns"), (31, "  error: turn-odd, 1 time"), (36, "  note: text-untrimmed, 4 times"), (33, "  warning: box-outside, 1 time"), (2, "    ... and 1 more"), (1, SUMMARY.strip())):  # fmt: skip
        assert f"\x1b[{code}m{line}\x1b[0m\n" in text


def test_what_a_file_holds_reaches_no_terminal_raw() -> None:
    """One finding, one line; a file that moves the cursor or sets the title would hide what was found."""
    turns = [{"from": "human\x1b[2J", "value": "\x1b]0;x\x07Why?"}, {"from": "gpt", "value": ""}]
    Path("a.json").write_bytes(encode([{"id": "a\n\x1b[31mb", "image": "a\n\x1b[31m.jpg", "conversations": turns}]))
    Path("photos").mkdir()
    for more in (["--images", "photos"], ["--trainer", "llava"], ["--explain", "1"]):
        out = run("validate", "a.json", *more).out.decode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out), out
        assert [line for line in out.splitlines() if line.startswith(("b ", ".jpg", "b,"))] == []


def test_json_holds_all_findings_in_order_and_fits_its_schema() -> None:
    schema = json.loads((REPOSITORY / "schemas/report.schema.json").read_bytes())
    ran = run("validate", FILE, "--output", "json", "--report", "made/report.json")
    assert (ran.code, ran.err) == (FAULTS, SUMMARY)
    assert Path("made/report.json").read_bytes() == ran.out
    report = json.loads(ran.out)
    jsonschema.Draft202012Validator(schema).validate(report)
    found = [(f["record"], f["code"], f["path"].removeprefix(CONTENT)) for f in report["findings"]]
    assert [number for number, _, _ in found] == sorted(number for number, _, _ in found)
    assert sorted(found) == sorted(FOUND)
    assert {f["file"] for f in report["findings"]} == {FILE}
    assert (report["command"], report["inputs"], report["outputs"]) == ("validate", [FILE], {})
    assert report["counts"] == {"records_read": 6, "records_with_findings": 6}
    assert report["findings_by_code"] == {code: sum(f[1] == code for f in FOUND) for _, code, _ in FOUND}
    run("validate", FILE, "--fix", "b.json", "--report", "fixed.json", "--select", "note,text", "--trainer", "llava")
    jsonschema.Draft202012Validator(schema).validate(json.loads(run("validate", FILE, "--fix", "b.json", "--output", "json", "--trainer", "llava").out))  # fmt: skip


def test_sarif_is_what_the_standard_asks_for() -> None:
    names = ["a b#c%d?.json", "run:1.json", "\u4eba.json", str(Path("whole.json").absolute())]
    for name in names:
        Path(name).write_bytes(encode(BAD))
    ran = run("validate", *names, "--output", "sarif", "--ignore", "dataset")
    assert ran.code == FAULTS
    log = json.loads(ran.out)
    [sarif] = log["runs"]
    driver, results = sarif["tool"]["driver"], sarif["results"]
    assert (log["version"], driver["name"], sarif["columnKind"]) == ("2.1.0", "svit-datasets", "unicodeCodePoints")
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    assert len(results) == len(names) * len(FOUND)
    for result in results:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == RULES[result["ruleId"]].severity
        assert result["message"]["text"].startswith("found ")
        [place] = result["locations"]
        assert place["logicalLocations"][0]["fullyQualifiedName"].startswith(
            f"record {result['properties']['record']} $"
        )
    uris = [urlparse(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]) for result in results]
    assert list(dict.fromkeys(unquote(uri.path).removeprefix("./") for uri in uris)) == names
    assert {(uri.scheme, uri.netloc, uri.query, uri.fragment) for uri in uris} == {
        ("", "", "", ""),
        ("file", "", "", ""),
    }
    assert (
        json.loads(
            run(
                "validate",
                "-",
                "--output",
                "sarif",
                stdin=b'[{"image_id": 2, "conversations": [{"content": [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]}]}]',
            ).out
        )["runs"][0]["results"]
        == []
    )


# --- exit statuses, --select and --ignore


@pytest.mark.parametrize(
    ("select", "statuses"),
    [
        ("turn-odd", (FAULTS, FAULTS, FAULTS)), ("box", (DONE, FAULTS, FAULTS)), ("text-untrimmed", (DONE, DONE, FAULTS)), ("dataset", (DONE, DONE, DONE)),
    ],
)  # fmt: skip
def test_the_exit_status_follows_fail_on(select: str, statuses: tuple[int, ...]) -> None:
    expected = [*statuses, DONE, statuses[0]]
    more = [("--fail-on", level) for level in ("error", "warning", "note", "never")]
    assert [call("validate", FILE, "--select", select, *given).code for given in (*more, ())] == expected


def test_select_and_ignore_take_codes_beginnings_families_and_commas() -> None:
    cases: list[tuple[tuple[str, ...], Callable[[str], bool]]] = [
        (("--select", "turn-odd"), lambda c: c == "turn-odd"),
        (("--select", "t"), lambda c: c.startswith("t")),
        (("--select", "turns"), lambda c: RULES[c].family == "turns"),
        (("--select", "boxes, answer-c ,", "--select", "token-eos"), lambda c: RULES[c].family == "boxes" or c in ("answer-cut-off", "token-eos")),
        (("--ignore", "box,text"), lambda c: not c.startswith(("box", "text"))),
        (("--select", "tokens", "--ignore", "token"), lambda c: c == "text-untrimmed"),
        (("--select", "tokens", "--ignore", "tokens"), lambda _: False),
    ]  # fmt: skip
    for given, counts in cases:
        findings = json.loads(call("validate", FILE, "--output", "json", *given).out)["findings"]
        assert sorted(f["code"] for f in findings) == sorted(code for _, code, _ in FOUND if counts(code)), given
    none = "neither a code, nor the beginning of one, nor a family"
    for word, hint in (("box-invertd", "; did you mean 'box-inverted'?"), ("BOXES", ""), ("zzz", ""), ("*", "")):
        for option in ("--select", "--ignore"):
            assert call("validate", FILE, option, f"turn-odd,{word}") == (
                UNUSABLE,
                b"",
                f"error: '{word}': {none}{hint}\n",
            )


def test_explain_tells_a_record_and_a_code() -> None:
    lines = [line.strip().removeprefix(f"{FILE}:3 id=4 ") for line in TEXT.splitlines() if f"{FILE}:3 " in line]
    rules = ("text-untrimmed", "box-outside", "box-inverted")
    assert call("validate", FILE, "--explain", "3") == (DONE, "\n".join([
        f"{FILE}:3 id=4, held against schema native",
        "  schema: it fits",
        *(f"  {RULES[code].severity}: {line} [{code}]" for code, line in zip(rules, lines, strict=True)),
    ]).encode() + b"\n", "")  # fmt: skip
    Path("odd.json").write_bytes(b'[{"image_id": "5", "conversations": []}]')
    assert call("validate", "odd.json", "--explain", "1").out.decode().splitlines()[1] == "  schema: $.image_id: '5' is not of type 'integer' (Image id: Visual Genome's image id.)"  # fmt: skip
    assert (
        call("validate", "--explain", "answer-cut-off").out.decode().startswith("answer-cut-off (warning; answers)\n")
    )
    for given, message in (
        ((FILE, "--explain", "7"), f"{FILE}: has no record 7"),
        ((FILE, "--explain", "0"), f"{FILE}: has no record 0"),
        (("--explain", "1"), "--explain 1 explains a record of one INPUT; 0 were given"),
        ((FILE, FILE, "--explain", "1"), "--explain 1 explains a record of one INPUT; 2 were given"),
        ((), "no INPUT: name a file, a folder of files or a table"),
        (("no.json",), "no.json: found no such file or directory; expected a readable file; check the path [input-missing]"),
        ((FILE, "no.json", "--fix", "b.json"), "b.json: mends one input at a time; 2 were given"),
        ((FILE, "--fix", FILE, "--overwrite"), f"{FILE}: is an input; inputs are never modified, so name another output"),
        ((FILE, "--report", FILE, "--overwrite"), f"{FILE}: is an input; inputs are never modified, so name another output"),
        ((FILE, "--fix", "odd.json"), "odd.json: exists already; name another output or pass --overwrite"),
        ((FILE, "--fix", "x.json", "--report", "./x.json"), "./x.json: is named for two outputs; name another"),
    ):  # fmt: skip
        assert call("validate", *given) == (UNUSABLE, b"", f"error: {message}\n"), given
    assert tree(Path()) == {FILE, "odd.json"}


# --- --fix


def test_what_is_mended_and_what_stays() -> None:
    untouched = b'{ "n":1.50,"image_id" : 9,\n  "conversations":[{"content":[{"from":"user","value":"caf\\u00e9 \\/?"},{"from":"gpt","value":"So.","w":1e3}]}],"z":123456789012345678901234567890}'
    mended = b'{"n":1.50, "image_id":10,"conversations":[{"topic":null,"t":-0.0,"content":[{"w":1E2,"value":" Why? ","from":"user"},{"from":"gpt","value":"<st>a<ed> [0.50, 0.1, 0.2, 1.40]"}]}],"z":[1.10,{"a":"\\u00e9"}]}'
    lost = encode(record(11, "What?", EMPTY))
    new, changes = fix(
        b"["
        + b",".join([untouched, mended, lost, b'{"image_id": 12, "conv": }', encode(record(13, "a", "b", "c"))])
        + b"]"
    )
    after = b'{"n":1.50,"image_id":10,"conversations":[{"topic":null,"t":-0.0,"content":[{"w":1E2,"value":"Why?","from":"user"},{"from":"gpt","value":"<st>a<ed> [0.2, 0.1, 0.50, 1]"}]}],"z":[1.10,{"a":"\\u00e9"}]}'
    assert new == b"[\n" + untouched + b",\n" + after + b",\n" + encode(record(13, "a", "b", "c")) + b"\n]\n"
    box = "<st>a<ed> [{}]"
    place = {"file": "a.json", "record": 2, "id": "10"}
    assert changes == [
        {"code": "text-untrimmed", "before": " Why? ", "after": "Why?", "path": f"{CONTENT}[0].value", **place},
        {"code": "box-inverted", "before": box.format("0.50, 0.1, 0.2, 1.40"), "after": box.format("0.2, 0.1, 0.50, 1.40"), "path": f"{CONTENT}[1].value", **place},
        {"code": "box-outside", "before": box.format("0.2, 0.1, 0.50, 1.40"), "after": box.format("0.2, 0.1, 0.50, 1"), "path": f"{CONTENT}[1].value", **place},
        {"code": "answer-message-empty", "before": "What?", "after": None, "path": f"{CONTENT}[0].value", "file": "a.json", "record": 3, "id": "11"},
        {"code": "answer-message-empty", "before": EMPTY, "after": None, "path": f"{CONTENT}[1].value", "file": "a.json", "record": 3, "id": "11"},
        {"code": "record-syntax", "before": '{"image_id": 12, "conv": }', "after": None, "path": "$", "file": "a.json", "record": 4, "id": "12"},
    ]  # fmt: skip
    lines, _ = fix(b"[" + untouched + b"," + mended + b"]", new="b.jsonl")
    assert lines == re.sub(rb"\n *", b" ", untouched) + b"\n" + after + b"\n"
    ran = call("validate", FILE, "--fix", "c.json", "--select", "box-inverted")
    assert ran.out.decode().splitlines()[-2:] == ["fix: wrote c.json (6 records); changed: 1 box-inverted", "  --report FILE lists every change"]  # fmt: skip
    known = run("validate", "-", "--task", "detail", "--fix", "d.json", "--fail-on", "never", stdin=encode([record(4417, "Describe it.", EMPTY)]))  # fmt: skip
    assert known.out.decode().splitlines()[-2] == "fix: wrote d.json (0 records); changed: 2 answer-known-broken"
    assert Path("d.json").read_bytes() == b"[]\n"


def llava(*values: str, image: str | None = "coco/train2017/9.jpg") -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]
    return {"id": "a", **({"image": image} if image else {}), "conversations": turns}


def test_a_llava_record_keeps_its_image_when_its_first_pair_goes() -> None:
    made = [llava("<image>\nWhat?", EMPTY, "And?", "Yes."), llava("What?\n<image>", EMPTY, "And? ", "Yes."), llava("<image>\n Why? ", "So."), llava("What?", EMPTY, "And?", "Yes.", image=None)]  # fmt: skip
    new, changes = fix(made)
    assert json.loads(new)[:3] == [llava("<image>\nAnd?", "Yes.")] * 2 + [llava("<image>\nWhy?", "So.")]
    told = {(change["record"], change["path"]) for change in changes}
    assert {(1, "$.conversations[1].value"), (2, "$.conversations[1].value"), (3, "$.conversations[0].value")} <= told
    # the question that <image> moves to is changed too, and every change is listed
    assert {(1, "$.conversations[2].value"), (2, "$.conversations[2].value")} <= told


def test_a_mended_file_stays_ascii_where_the_input_was() -> None:
    """LLaVA's loader opens it without an encoding."""
    new, _ = fix([llava("<image>\n caf\u00e9? ", "\u4eba."), llava("<image>\ncaf\u00e9?", "\U0001f600")])
    assert json.loads(new) == [llava("<image>\ncaf\u00e9?", "\u4eba."), llava("<image>\ncaf\u00e9?", "\U0001f600")]
    assert new.isascii()


def made_text(rng: random.Random, edge: str) -> str:
    edges = ["", "", "", " ", "\n", "\u00a0", "\t ", "\u2028", f"{edge}\n", f"\n{edge}"]
    words = ["Why?", "So.", EMPTY, "<st>it<ed>", "caf\u00e9", "[x]", "[0.1, 0.5.1, 0.3, 0.6]", ""]
    numbers = (
        lambda: f"{rng.random():.2f}",
        lambda: f"0.{rng.randint(0, 9)}",
        lambda: f"{rng.random() * 1.3:.3f}",
        lambda: rng.choice((".5", "1.", "0.50", "1.20", "17", "0")),
    )
    boxes = [
        ", ".join(f"[{', '.join(number() for number in numbers)}]" for _ in range(rng.randint(1, 2))) for _ in range(3)
    ]
    return rng.choice(edges) + " ".join(rng.choices(words + boxes, k=rng.randint(1, 3))) + rng.choice(edges)


@pytest.mark.parametrize("edge", ["", "<image>"], ids=["plain", "with tokens"])
@pytest.mark.parametrize("layout", ["native", "llava"])
def test_a_mended_file_has_none_of_what_was_mended_and_stays_as_it_is(layout: Any, edge: str) -> None:
    rng = random.Random(5)
    texts = [[made_text(rng, edge) for _ in range(rng.choice((2, 4, 5)))] for _ in range(1000)]
    Path("a.json").write_bytes(
        encode([record(2, *values) if layout == "native" else llava(*values) for values in texts])
    )
    checks = Checks(layout=layout, select=tuple(MENDED))
    before, after = (validate(a, fix=b, checks=checks) for a, b in (("a.json", "b.json"), ("b.json", "c.json")))
    found, changed_again, counts = (
        list(after),
        list(after.changes()),
        [*before.by_code.values(), *before.changed.values()],
    )
    before.close()
    after.close()
    assert min(counts) > 50
    # an answer that only speaks of an empty message stays
    found = [f for f in found if (f.code, f.severity) != ("answer-message-empty", "warning")]
    boxes = [[float(c) for c in fault.found.strip("'[]").split(", ")] for fault in found if fault.code[:3] == "box"]
    assert len(boxes) == len(found)
    found = [fault for fault, box in zip(found, boxes, strict=True) if max(box) < 2]  # not pixels
    boxes = [box for box in boxes if max(box) < 2]
    assert [(fault.code, fault.found) for fault in found if fault.code != "box-outside"] == []
    assert all(
        min(x1, x2) >= 1 or min(y1, y2) >= 1 or x1 == x2 or y1 == y2 for x1, y1, x2, y2 in boxes
    )  # nothing is left
    assert Path("b.json").read_bytes() == Path("c.json").read_bytes()
    assert changed_again == []


# --- signals, disks, memory


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, code: int) -> None:
    os.mkfifo("pipe")
    writing = os.open("pipe", os.O_RDWR)  # does not wait for a reader, and holds the pipe open
    process = start("validate", "pipe", "--fix", "made/new.json", "--report", "made/report.json")
    os.write(writing, encode(BAD)[:-1])
    wait_for(lambda: not fcntl.ioctl(writing, termios.FIONREAD, bytes(4)).strip(b"\0"), process)
    assert tree(Path("made"))
    process.send_signal(number)
    ran = finish(process)
    os.close(writing)
    assert (ran.code, ran.out) == (code, b"")
    assert ran.err.strip() == ("interrupted; nothing was written" if number == signal.SIGINT else "")
    assert tree(Path()) == {FILE, "pipe"}


def test_a_full_disk_is_named_and_nothing_is_left() -> None:
    Path(FILE).write_bytes(encode(BAD * 500))
    full = "file too large; nothing was written under this name. Make room or name another place"
    for more, name in ((["--fix", "made/new.json"], "made/new.json"), (["--report", "made/report.json"], "made/report.json"), (["--output", "json"], "-"), (["--output", "sarif"], "-")):  # fmt: skip
        ran = run("validate", FILE, *more, preexec_fn=limit_file_size(4096))
        assert (ran.code, ran.out) == (UNUSABLE, b"")
        assert re.fullmatch(f"error: ({re.escape(name)}|temporary file): {re.escape(full)}\n", ran.err), ran.err
    assert tree(Path()) == {FILE}


def test_memory_stays_flat_with_findings_and_mends_in_every_record() -> None:
    code = """import sys; from pathlib import Path; from svit_datasets.validation.validate import Checks, validate
results = validate(sys.argv[1], fix=sys.argv[1] + ".new", checks=Checks(trainer="llava"))
assert 2 * results.records == sum(1 for _ in results.changes()) < sum(1 for _ in results)
print(next(x.split()[1] for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")))"""
    peaks_kb, padding = {}, "It is a quiet street. " * 120
    for name, count in (("small", 1_000), ("large", 14_000)):
        with Path(f"detail.{name}.json").open("wb") as file:
            for image_id in image_ids()[:count]:
                made = record(image_id, "Describe it. ", "A <st>cat<ed> [0.5, 0.1, 0.2, 0.4].", note=padding)
                file.write(encode(made) + b"\n")
        given = [sys.executable, "-c", code, f"detail.{name}.json"]
        peaks_kb[name] = int(subprocess.run(given, capture_output=True, check=True).stdout)
    assert Path("detail.large.json.new").stat().st_size > 36 << 20
    assert peaks_kb["large"] - peaks_kb["small"] < 36 << 10, peaks_kb
