"""How many tokens a text has: by a tokenizer, or by an estimate that says so."""

from __future__ import annotations

import re
import string
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from svit_datasets.converters.llava_layout import IMAGE_TOKEN
from svit_datasets.errors import UsageError
from svit_datasets.findings import Finding, finding

MODEL_MAX_LENGTH = 2048  # LLaVA-v1.5's training script
IMAGE_TOKENS = 576  # what one image becomes in the model: 24 x 24 patches
_PIECE = re.compile(r"[A-Za-z]+|[^\sA-Za-z]")
_WHOLE_WORD_LETTERS = 7
_LETTERS = string.ascii_letters.encode()
_BLANKS = b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
_WORDS_ONLY = bytes(i if i in _LETTERS else 32 for i in range(256))
_FILE = "tokenizer.json"


class Counter(NamedTuple):
    """Counts tokens.

    Attributes:
        name: The tokenizer's name, or ``estimate``.
        count: Gives the number of tokens of a text, without any that only begin or end a text.
        is_exact: Whether a tokenizer counts.
    """

    name: str
    count: Callable[[str], int]
    is_exact: bool


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a tokenizer like LLaMA's makes of a text.

    A word of up to 7 letters counts 1, each further 5 letters 1 more; every digit and sign counts 1.

    >>> estimate_tokens("A photograph: [0.25, 1]")
    12
    """
    if text.isascii():
        written = text.encode()
        words = written.translate(_WORDS_ONLY).split()
        signs = len(written.translate(None, _LETTERS + _BLANKS))
        return signs + len(words) + sum([(len(w) - 3) // 5 for w in words if len(w) > _WHOLE_WORD_LETTERS])
    pieces = _PIECE.findall(text)
    return len(pieces) + sum((len(p) - 3) // 5 for p in pieces if len(p) > _WHOLE_WORD_LETTERS)


ESTIMATE = Counter("estimate", estimate_tokens, is_exact=False)


def load_tokenizer(name: str | Path) -> Counter:
    """Return a counter by a tokenizer.

    Args:
        name: A folder with ``tokenizer.json`` or that file; else a repository of the Hub, such as ``org/model``.

    Returns:
        The counter.

    Raises:
        UsageError: There is no such tokenizer, it cannot be read, or the extra ``tokenizer`` is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UsageError("counting tokens needs tokenizers: pip install 'svit-datasets[tokenizer]'") from error
    file = _find(Path(name)) if Path(name).exists() else _fetch(str(name))
    try:
        tokenizer: Any = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise UsageError(f"{file}: no tokenizer: {str(error).splitlines()[0]}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Counter(str(name), lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids), is_exact=True)


def _find(path: Path) -> Path:
    file = path / _FILE if path.is_dir() else path
    if file.is_file():
        return file
    if (path / "tokenizer.model").is_file():
        how = "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of transformers writes it"
        raise UsageError(f"{path}: holds tokenizer.model but no {_FILE}; {how}")
    raise UsageError(f"{path}: holds no {_FILE}; name the folder of a fast tokenizer")


def _fetch(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(name, _FILE))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"{name}: neither a folder nor a tokenizer on the Hub: {reason}") from error


class Lengths(NamedTuple):
    """How long a prompt may be, and how it is counted.

    Attributes:
        counter: Counts tokens.
        limit: ``model_max_length``.
        image_tokens: What an image becomes in the model; one token in the text itself.
    """

    counter: Counter = ESTIMATE
    limit: int = MODEL_MAX_LENGTH
    image_tokens: int = IMAGE_TOKENS

    def tokens(self, prompt: str, *, has_image: bool, image_tokens: int) -> int:
        """Return the tokens of a prompt: ``<s>``, the text between ``<image>``, the image in its place.

        >>> Lengths().tokens("<image>\\nWhy?", has_image=True, image_tokens=576)
        579
        """
        chunks = prompt.split(IMAGE_TOKEN) if has_image else [prompt]
        return 1 + sum(map(self.counter.count, chunks)) + image_tokens * (len(chunks) - 1)

    def is_surely_below(self, prompt: str) -> bool:
        """Tell whether a prompt is shorter than the limit however it is counted: no token is less than a byte.

        >>> Lengths(limit=600).is_surely_below("<image> Why?"), Lengths(limit=585).is_surely_below("<image> Why?")
        (True, False)
        """
        size = len(prompt.encode("utf-8", "surrogatepass"))
        return 1 + size + self.image_tokens * prompt.count(IMAGE_TOKEN) < self.limit


def check_length(pieces: Sequence[str], lengths: Lengths, *, has_image: bool) -> Finding | None:
    """Return whether a prompt is longer than the model takes, and what is cut.

    LLaVA cuts the text at ``model_max_length`` tokens, and the model cuts text and image together at the same number.

    Args:
        pieces: The prompt, cut behind each turn.
        lengths: How it is counted.
        has_image: Whether ``<image>`` stands for an image.

    Returns:
        A finding without a place, None where all of it fits.

    >>> check_length(["USER: Why? ", "ASSISTANT: " + "So. " * 1200 + "</s>"], Lengths(), has_image=True).found
    'about 2,412 tokens, by estimate: 364 are cut, in turn 2 of 2'
    """
    prompt = "".join(pieces)
    if lengths.is_surely_below(prompt):
        return None
    count = partial(lengths.tokens, has_image=has_image, image_tokens=lengths.image_tokens)
    total = count(prompt)
    if total <= lengths.limit:
        return None
    turn = 1 + bisect_left(range(1, len(pieces)), True, key=lambda n: count("".join(pieces[:n])) > lengths.limit)
    about, image = (
        "" if lengths.counter.is_exact else "about ",
        " with the image" * (has_image and IMAGE_TOKEN in prompt),
    )
    where = f"{'in' if turn == len(pieces) else 'from'} turn {turn} of {len(pieces)}"
    found = f"{about}{total:,} tokens{image}, by {lengths.counter.name}: {total - lengths.limit:,} are cut, {where}"
    return finding("trainer-too-long", found, expected=f"at most {lengths.limit:,} tokens")
