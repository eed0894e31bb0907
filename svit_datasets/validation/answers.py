"""Answers: what a model should not learn to say. Known broken ones, refusals, talk of captions, cut-off text."""

from __future__ import annotations

import re

import msgspec

from svit_datasets.findings import Finding, finding, quote
from svit_datasets.records import TaskName
from svit_datasets.validation.texts import around

# Detail descriptions that say "message is empty", told by users of SVIT (Visual-Instruction-Tuning issue 5).
KNOWN_BROKEN_IDS = frozenset(
    int(image_id)
    for image_id in (
        "30 4417 1159649 1591845 2316987 2319201 2319806 2327174 2342212 2343061 2349999 2360367 2378561 2382059 "
        "2382113 2385150 2394393 2397078 2402123 2403887 2415254"
    ).split()
)
_LOOK = "look at it; drop it if it answers an empty message and not the question"
KNOWN_BROKEN_TASK: TaskName = "detail_description"
_MESSAGE_EMPTY = re.compile(
    r"\bmessages?\s+(?:(?:is|was|are|appears?|seems?|looks?|to|be|you|sent|provided|currently|just|also)\s+)+empty\b"
    r"|\bempty messages?\b(?!\s+(?!(?:was|is|has|from|and|so|that|to|here)\b)\w)",
    re.I,
)
# An answer that begins with it speaks to the user, not of a message in the image.
_TO_THE_USER = re.compile(
    r"(?:(?:i['\u2019]?m|i am)?\s?(?:sorry|afraid|unfortunately|apologies)[,.]?\s|but\s|it\s|(?:seems|appears|looks)\s|"
    r"like\s|that\s|i apologi[sz]e,?\s|,\s){0,8}(?:the|your|this|an|you sent an)\s(?:\w+\s){0,2}(?:messages?|empty)\b",
    re.I,
)
_SOURCES = r"(?:captions?|descriptions?|bounding boxes)"
_SAYS = r"(?:mention|state|indicate|suggest|describe|specif|provide[sd]?\b|do(?:es)?(?: not|n't)|impl)"
_IN_THE_IMAGE = r"(?!\s+(?:on|of|above|below|beneath|printed|written|in|at|says?|reads?)\b)"
_NAMES_SOURCE = re.compile(
    rf"\b(?:given|provided|supplied)\s+(?:\w+\s+)?{_SOURCES}\b"
    rf"|\b{_SOURCES}\s+(?:provided|given)\b"
    r"|\b(?:based on|according to|in|from|per|as per)\s+(?:all\s+)?(?:the|these|this|your|both)"
    rf"\s+(?:\w+\s+)?{_SOURCES}\b{_IN_THE_IMAGE}"
    rf"|\bthe\s+(?:captions?|descriptions?)\s+(?:\w+ly\s+)?{_SAYS}|\bthe\s+captions\s+(?:say|tell)\b",
    re.I,
)
_REFUSES = re.compile(
    r"(?:\A\s{0,4}|[.!?]\s{1,4}|\n\s{0,4})"
    r"(?:(?:unfortunately|sorry|apologies|however|but),?\s{1,4}){0,3}"
    r"(?:as an? (?:ai|artificial intelligence|language model|large language model)\b"
    r"|i(?:['\u2019]m| am) sorry(?:[,.]|\s(?:but|that i|i)\b)"
    r"|i(?:['\u2019]m| am) (?:unable to|not able to)\b"
    r"|i apologi[sz]e\b"
    r"|i (?:can ?not|can['\u2019]t|could ?n[o'\u2019]?t) (?:see|view|assist|provide|answer|determine|help|process)\b"
    r"|i (?:can ?not|can['\u2019]t|could ?n[o'\u2019]?t) (?:access|identify)\b"
    r"|i (?:do not|don['\u2019]t) have (?:access|enough|the ability)\b)",
    re.I,
)
_ENDS_OPEN = re.compile(r"[,;:(\[{<\u2013\u2014-]\Z")
_HANGING = frozenset("a an the and or but because while than which into their its".split())
_SENTENCE_INSIDE = re.compile(r"[a-z]{2}[.!?][\"')\u2019\u201d]?\s+[A-Z]")
_CLOSED = re.compile(r"[.!?\u2026\"'\u2019\u201d)\]}>*`%\u3002\uff01\uff1f]\Z")
_LIST_ITEM = re.compile(r"\s{0,20}(?:[-*\u2022]|\d{1,4}[.)])\s")
_LONG_WORDS = 20


def check_answer(
    answer: str, question: str, *, task: TaskName | None = None, image_id: int | None = None
) -> list[Finding]:
    """Return what a model should not learn from an answer.

    Args:
        answer: The text; empty ones are left to the rules on turns.
        question: The question before it.
        task: Its task, None where nothing tells.
        image_id: Visual Genome's id of its image.

    Returns:
        Findings without a place.

    >>> [f.code for f in check_answer("It seems that your message is empty.", "Describe it.")]
    ['answer-message-empty']
    >>> [f.code for f in check_answer("I'm sorry, but I cannot see it, based on the captions", "Who?")]
    ['answer-names-source', 'answer-refuses']
    """
    text = answer.strip()
    if not text:
        return []
    empty = _MESSAGE_EMPTY.search(text)
    if empty:
        is_known = task == KNOWN_BROKEN_TASK and image_id in KNOWN_BROKEN_IDS
        fault = finding("answer-known-broken" if is_known else "answer-message-empty", around(text, empty))
        is_sure = is_known or _TO_THE_USER.match(text)
        return [fault if is_sure else msgspec.structs.replace(fault, severity="warning", mend=_LOOK)]
    found = []
    for code, pattern in (("answer-names-source", _NAMES_SOURCE), ("answer-refuses", _REFUSES)):
        match = pattern.search(text)
        if match:
            found.append(finding(code, around(text, match)))
    if is_cut_off(text):
        found.append(finding("answer-cut-off", f"an end like {quote(text[-40:])}"))
    if repeats(question, text):
        found.append(finding("answer-repeats-question", quote(text)))
    if not any(c.isalnum() for c in text):
        found.append(finding("answer-no-words", quote(text)))
    return found


def repeats(question: str, answer: str) -> bool:
    """Tell whether an answer is the question again, whatever the case of its letters.

    >>> repeats("Who is it?", "who is it? ")
    True
    """
    question, answer = question.strip(), answer.strip()
    return len(question) == len(answer) and question.lower() == answer.lower()


def is_cut_off(text: str) -> bool:
    """Tell whether a text stops in the middle; short ones without a full stop are whole.

    >>> [is_cut_off(t) for t in ("two cats", "It is on the", "A cat, a dog,", "See <st>it<ed> [0.1, 0.")]
    [False, True, True, True]
    """
    if "[" in text and text.rfind("[") > text.rfind("]"):
        return len(text) - text.rfind("[") < 40
    if not any(c.isalnum() for c in text) or _CLOSED.search(text):
        return False
    if _ENDS_OPEN.search(text):
        return True
    words = text.split()
    if len(words) > 3 and words[-1] in _HANGING:
        return True
    is_long = len(words) >= _LONG_WORDS and _SENTENCE_INSIDE.search(text) is not None
    is_word = text[-1].isalnum() and not any(sign in words[-1] for sign in "./@")
    return is_long and is_word and not _LIST_ITEM.match(text[text.rfind("\n") + 1 :])
