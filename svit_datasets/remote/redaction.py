"""Keep tokens out of every text that leaves: messages, errors, what is said of a retry."""

from __future__ import annotations

import re

HIDDEN = "hf_***"
_TOKEN = re.compile(r"hf_[A-Za-z0-9_\-]{4,}")
_BEARER = re.compile(r"(Bearer\s+)[^\s'\"]+")
_SIGNED = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")


def redact(text: str) -> str:
    """Return a text without tokens and without the signatures of addresses.

    >>> redact("b'Bearer abc' hf_secretsecret at https://s3/x?X-Amz-Signature=5f")
    "b'Bearer hf_***' hf_*** at https://s3/x?..."
    """
    from huggingface_hub import get_token

    token = get_token()
    if token:
        text = text.replace(token, HIDDEN)
    return _SIGNED.sub(r"\1?...", _TOKEN.sub(HIDDEN, _BEARER.sub(rf"\1{HIDDEN}", text)))


def has_secret(error: BaseException) -> bool:
    """Tell whether an error, or what it came from, has a token in its text."""
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None and before not in chain:
        chain.append(before)
    return any(redact(repr(e)) != repr(e) or redact(str(e)) != str(e) for e in chain)
