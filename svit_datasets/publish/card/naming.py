"""What a published dataset is called, and its licence: SVIT's, or those of a dataset in its layout. No I/O."""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from typing import NamedTuple

from svit_datasets.errors import UsageError

DEFAULT_TITLE, DEFAULT_LICENCE = "SVIT", "cc-by-4.0"
_LICENCES = tuple(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    open-mdw openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma unknown other
    """.split()
)
_CREATIVE_COMMONS = re.compile(r"cc-(by[a-z-]*)-([0-9.]+)")
_PUBLIC_DOMAIN = "cc0-1.0"
_HIDDEN = {"Cc", "Cs", "Co", "Cn"}


class Naming(NamedTuple):
    """What a published dataset is called.

    Attributes:
        title: Its name, in one line.
        licence: Its licence, by the Hub's id.
    """

    title: str = DEFAULT_TITLE
    licence: str = DEFAULT_LICENCE

    @property
    def is_svit(self) -> bool:
        """Whether it is SVIT itself, so that SVIT's authors, origin and terms are stated.

        >>> Naming().is_svit, Naming("My photos").is_svit
        (True, False)
        """
        return self.title == DEFAULT_TITLE

    @property
    def licence_url(self) -> str:
        """Where the licence stands, for those of Creative Commons; the Hub's id for others.

        >>> Naming().licence_url, Naming(licence="cc0-1.0").licence_url, Naming(licence="other").licence_url
        ('https://creativecommons.org/licenses/by/4.0/', 'https://creativecommons.org/publicdomain/zero/1.0/', 'other')
        """
        if self.licence == _PUBLIC_DOMAIN:
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        match = _CREATIVE_COMMONS.fullmatch(self.licence)
        return f"https://creativecommons.org/licenses/{match[1]}/{match[2]}/" if match else self.licence


def check_naming(title: str, licence: str) -> Naming:
    """Return title and licence, checked.

    Args:
        title: Any text; white space and line ends in it become single spaces.
        licence: One of the Hub's ids; ``other`` is one.

    Returns:
        Both.

    Raises:
        UsageError: The title is empty or has characters that no text has, or the Hub has no such licence.

    >>> check_naming(" My\\n photos ", "mit")
    Naming(title='My photos', licence='mit')
    >>> check_naming("My photos", "cc-by-40")
    Traceback (most recent call last):
    svit_datasets.errors.UsageError: licence='cc-by-40': is no licence id of the Hub; pass one of \
https://huggingface.co/docs/hub/repositories-licenses, or other. Did you mean 'cc-by-4.0'?
    """
    line = " ".join(title.split())
    if not line:
        raise UsageError("title is empty; pass what the dataset is called")
    hidden = next((character for character in line if unicodedata.category(character) in _HIDDEN), None)
    if hidden is not None:
        raise UsageError(f"title={line!a}: has a character that is no text, {hidden!a}; leave it out")
    if licence not in _LICENCES:
        close = get_close_matches(licence.lower(), _LICENCES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known = "https://huggingface.co/docs/hub/repositories-licenses, or other"
        raise UsageError(f"licence={licence!r}: is no licence id of the Hub; pass one of {known}.{hint}")
    return Naming(line, licence)
