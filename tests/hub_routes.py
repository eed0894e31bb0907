"""The addresses of the loopback Hub, and what answers at each."""

from __future__ import annotations

import re
from collections.abc import Callable

import hub_api
import hub_files
import hub_uploads
from hub_answers import Answer, Refused, Request
from hub_api import Api

Handle = Callable[[Api, Request, re.Match[str]], Answer]
_KIND = r"(models|datasets|spaces)"
_ID = r"([^/]+/[^/]+)"
_GIT = rf"/(?:{_KIND}/)?{_ID}\.git/info/lfs/objects"
_API = rf"/api/{_KIND}/{_ID}"
ROUTES: list[tuple[str, str, Handle]] = [
    ("GET", r"/cdn/sha256/([0-9a-f]{64})/(.+)", hub_files.cdn_object),
    ("GET", r"/cdn/(.+)", hub_files.cdn_live),
    ("PUT", rf"/lfs/{_KIND}/{_ID}/([0-9a-f]{{64}})", hub_uploads.put_object),
    ("PUT", rf"/lfs/{_KIND}/[^/]+/[^/]+/([0-9a-f]{{64}})/([0-9]+)", hub_uploads.put_part),
    ("POST", rf"/lfs/{_KIND}/{_ID}/([0-9a-f]{{64}})/complete", hub_uploads.complete),
    ("POST", rf"{_GIT}/batch", hub_uploads.batch),
    ("POST", rf"{_GIT}/verify", hub_uploads.verify),
    ("GET", r"/api/whoami-v2", hub_api.whoami),
    ("POST", r"/api/repos/create", hub_api.create),
    ("DELETE", r"/api/repos/delete", hub_api.delete),
    ("POST", r"/api/validate-yaml", hub_api.check_yaml),
    ("GET", rf"{_API}()", hub_files.info),
    ("GET", rf"{_API}/revision/([^/]+)", hub_files.info),
    ("GET", rf"{_API}/refs", hub_api.refs),
    ("GET", rf"{_API}/commits/([^/]+)", hub_files.commits),
    ("GET", rf"{_API}/tree/([^/]+)(/.*)?", hub_files.tree),
    ("GET", rf"{_API}/auth-check(/write)?", hub_api.auth_check),
    ("POST", rf"{_API}/paths-info/([^/]+)", hub_files.paths_info),
    ("POST", rf"{_API}/preupload/([^/]+)", hub_uploads.preupload),
    ("POST", rf"{_API}/commit/([^/]+)", hub_uploads.add_commit),
    ("POST", rf"{_API}/branch/([^/]+)", hub_api.make_branch),
    ("DELETE", rf"{_API}/branch/([^/]+)", hub_api.drop_branch),
    ("POST", rf"{_API}/tag/([^/]+)", hub_api.make_tag),
    ("PUT", rf"{_API}/settings", hub_api.settings),
    ("GET", rf"/(?:{_KIND}/)?{_ID}/resolve/([^/]+)/(.+)", hub_files.resolve),
]


def answer(api: Api, request: Request) -> Answer:
    """Return the answer to a request; raise Refused for a refusal."""
    for method, pattern, handle in ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match and method == ("GET" if request.method == "HEAD" else request.method):
            return handle(api, request, match)
    raise Refused(404)
