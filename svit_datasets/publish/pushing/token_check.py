"""Look at the token before anything is sent: whether there is one, whether it is right, whether it may write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svit_datasets.publish.pushing.refusals import token_missing, token_unusable
from svit_datasets.remote.hub import is_of_client, status_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_READ = "read"


def check_token(api: HfApi) -> None:
    """Raise where the token of ``huggingface_hub`` cannot write; it is never shown.

    Args:
        api: The client.

    Raises:
        OutputError: There is none, it is not right, or it may only read.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise token_missing()
    try:
        told = api.whoami()
    except UnicodeError:  # its text has the token in it
        raise token_unusable("has characters that no token has") from None
    except Exception as error:
        if status_of(error) in (401, 403):
            raise token_unusable("is not right, or is no more") from None
        if status_of(error) is None and "header" in str(error).lower() and is_of_client(error):
            raise token_unusable("has characters that no token has") from None
        raise
    role = told.get("auth", {}).get("accessToken", {}).get("role")
    if role == _READ:
        raise token_unusable("may only read")
