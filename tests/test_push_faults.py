"""What can go wrong at the Hub while something is pushed: each is said, nothing is lost, nothing is sent twice."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hub_server import Asked, Fault, HubServer, Rules
from published import Published, publish
from pushing import REPO, TOKEN, Client, shard_files, writes

READER = "hf_anotherTokenThatMayOnlyRead"


@pytest.fixture
def made(tmp_path: Path) -> Published:
    return publish(tmp_path / "out", configs=["detail"])


def is_whole(hub: HubServer, made: Published) -> bool:
    files = {p.relative_to(made.folder).as_posix() for p in made.folder.rglob("*") if p.is_file()}
    return set(hub.files(REPO)) == {*files, ".gitattributes"} and hub.lfs_uploads() == dict.fromkeys(
        shard_files(made.folder), 1
    )


REFUSED = [
    Fault("GET", "whoami", 1, status=429, retry_after="7"),
    Fault("GET", f"/api/datasets/{REPO}", 2, status=500),
    Fault("POST", "/api/repos/create", 1, status=503),
    Fault("POST", "/batch", 1, status=500),
    Fault("PUT", "/lfs/", 1, status=429, retry_after="3"),
    Fault("POST", "/commit/", 2, status=502),
]
CUT = [
    Fault("POST", "/preupload/", 1, "cut-request", after_bytes=5),
    Fault("PUT", "/lfs/", 1, "cut-request", after_bytes=3000),
    Fault("GET", "/tree/", 1, "cut-response", after_bytes=9),
    Fault("POST", "/commit/", 1, "cut-request", after_bytes=20),
]
LOST = [Fault("POST", where, 1, "lost-answer") for where in ("/api/repos/create", "/verify", "/commit/")]


@pytest.mark.parametrize("faults", [REFUSED, CUT, LOST], ids=["refused", "cut", "lost"])
def test_what_passes_is_asked_again(hub: HubServer, client: Client, made: Published, faults: list[Fault]) -> None:
    hub.rules.faults = faults
    ran = client.push(made.folder)
    assert ran.code == 0, ran.err
    assert [fault.times for fault in faults] == [0] * len(faults)
    assert is_whole(hub, made)
    assert len(hub.commits(REPO)) == 2  # also where the commit was made and its answer lost
    assert hub.repository(REPO).private
    told = {
        0: ("the Hub answered 429; again in 7 s (2 of 6)", "the Hub answered 500; again in 4 s (3 of 6)",
            "the Hub answered 503; again in 2 s (2 of 6)", "the Hub answered 502; again in 4 s (3 of 6)"),
        1: ("the connection failed (",), 2: ("the connection failed (",),
    }  # fmt: skip
    assert [line for line in told[[REFUSED, CUT, LOST].index(faults)] if line not in ran.err] == []


def test_what_does_not_pass_ends_the_push_and_the_next_goes_on(hub: HubServer, client: Client, made: Published) -> None:
    second = made.release.shards[1].sha256
    hub.rules.faults = [Fault("PUT", second, 1000, status=500)]
    ran = client.push(made.folder)
    assert ran.code == 2
    assert "the Hub answered 500; again in 32 s (6 of 6)" in ran.err
    assert "not finished: 1 of 6 files are there, the new card is not; run the same command again" in ran.err
    said = "(refused with 500)"  # older clients do not tell what the Hub says to it
    assert ran.last.replace(f" {said}", "") == (
        "error: org/svit: the Hub answered 500: try again later; what is there is not sent again"
    )
    assert set(hub.files(REPO)) == {".gitattributes"}
    hub.rules = Rules()
    assert client.push(made.folder).code == 0
    assert is_whole(hub, made)


def test_a_lost_answer_to_a_pull_request_opens_no_second(hub: HubServer, client: Client, made: Published) -> None:
    hub.create(REPO)
    hub.rules.faults = [Fault("POST", "/commit/", 1, "lost-answer")]
    ran = client.push(made.folder, "--create-pr")
    assert ran.code == 2
    assert ran.last == (
        f"error: org/svit: the answer to opening a pull request was lost; see "
        f"{hub.endpoint}/datasets/org/svit/discussions: if it is open, push again with --revision "
        "refs/pr/N, else with --create-pr. What is there is not sent again"
    )
    assert list(hub.repository(REPO).pulls) == ["refs/pr/1"]
    assert "nothing to send" in client.push(made.folder, "--revision", "refs/pr/1").err


def test_somebody_who_pushed_meanwhile_is_not_overrun(hub: HubServer, client: Client, made: Published) -> None:
    hub.create(REPO)

    def meddle(asked: Asked) -> None:
        if "/preupload/" in asked.path:
            hub.on_request = None
            hub.put_file(REPO, "README.md", b"# Theirs\n")

    hub.on_request = meddle
    ran = client.push(made.folder)
    assert ran.code == 2
    assert ran.last == (
        "error: org/svit: the Hub answered 412 (A commit has happened since. Please refresh and try again.): somebody "
        "pushed to it meanwhile; nothing of theirs was replaced. Look at it and push again"
    )
    assert hub.files(REPO)["README.md"] == b"# Theirs\n"


def token_error(hub: HubServer, what: str) -> str:
    return (
        f"error: the token {what}: log in anew with `hf auth login`, or set HF_TOKEN, to a token with the role write "
        f"({hub.endpoint}/settings/tokens); a token in HF_TOKEN goes before the one that was logged in with"
    )


@pytest.mark.parametrize(
    ("token", "what"),
    [("hf_wrongwrongwrong", "is not right, or is no more"), (READER, "may only read")],
    ids=["wrong", "reads"],
)
def test_a_token_that_cannot_write(hub: HubServer, client: Client, made: Published, token: str, what: str) -> None:
    hub.rules = Rules(tokens={TOKEN: "write", READER: "read"})
    ran = client.push(made.folder, HF_TOKEN=token)
    assert (ran.code, ran.last) == (2, token_error(hub, what))
    assert token not in ran.out + ran.err
    assert writes(hub) == []


def test_a_token_with_odd_characters_is_not_shown(hub: HubServer, client: Client, made: Published) -> None:
    hub.rules = Rules(tokens={TOKEN: "write"})
    ran = client.push(made.folder, HF_TOKEN="hf_caf\u00e9Secret")
    reasons = ("has characters that no token has", "is not right, or is no more")  # older clients send it all the same
    assert ran.last in [token_error(hub, reason) for reason in reasons]
    assert "Secret" not in ran.out + ran.err
    assert writes(hub) == []


def test_without_a_token_it_says_how_to_log_in(hub: HubServer, client: Client, made: Published) -> None:
    ran = client.push(made.folder, HF_TOKEN="")
    assert (ran.code, hub.asked) == (2, [])
    assert ran.last == (
        "error: no token: log in with `hf auth login`, or set HF_TOKEN to a token with the role write "
        f"({hub.endpoint}/settings/tokens)"
    )


def test_a_token_that_was_logged_in_with_serves_and_goes_to_the_hub_alone(
    hub: HubServer, client: Client, made: Published, tmp_path: Path
) -> None:
    kept = tmp_path.parent / f"{tmp_path.name}-token"
    kept.write_text(TOKEN)
    ran = client.push(made.folder, HF_TOKEN="", HF_TOKEN_PATH=str(kept))
    assert ran.code == 0, ran.err
    told = {(a.path.split("/")[1] == "lfs", a.token) for a in hub.asked}
    assert told == {(False, f"Bearer {TOKEN}"), (True, None)}


def test_a_refusal_to_write_is_explained(hub: HubServer, client: Client, made: Published) -> None:
    hub.rules.faults = [Fault("POST", "/api/repos/create", 1, status=403)]
    ran = client.push(made.folder)
    assert ran.code == 2
    assert ran.last.startswith(
        "error: org/svit: the Hub answered 403 (refused with 403): this token may not write to org/svit; be "
        f"a member of its organisation, and make a token with the role write at {hub.endpoint}/settings/tokens"
    )


def test_a_card_that_the_hub_refuses_is_told_and_the_shards_stay(
    hub: HubServer, client: Client, made: Published
) -> None:
    hub.rules = Rules(yaml_errors=('"license" must be one of [apache-2.0]',))
    ran = client.push(made.folder)
    assert ran.code == 2
    assert "error: org/svit: the Hub refuses the YAML of README.md (" in ran.last
    assert '"license" must be one of [apache-2.0]' in ran.last
    hub.rules = Rules()
    assert client.push(made.folder).code == 0
    assert is_whole(hub, made)


def test_a_shard_that_changes_while_it_is_sent_is_refused(hub: HubServer, client: Client, made: Published) -> None:
    shard = made.folder / made.release.shards[2].path

    def change(asked: Asked) -> None:
        if asked.method == "PUT":
            hub.on_request = None
            shard.write_bytes(shard.read_bytes() + b"more")

    hub.on_request = change
    ran = client.push(made.folder)
    assert ran.code == 2
    assert f"error: {made.folder}" in ran.last or "error: org/svit: " in ran.last
    assert set(hub.files(REPO)) == {".gitattributes"}


def test_files_in_parts_and_long_listings(hub: HubServer, client: Client, made: Published) -> None:
    hub.rules = Rules(multipart_bytes=3000, page_size=2)
    assert client.push(made.folder).code == 0
    hub.received.clear()
    assert "nothing to send: all 6 files are there" in client.push(made.folder).err


def test_a_name_that_is_none_and_no_network(client: Client, made: Published) -> None:
    ran = client.run(made.folder, "--repo-id", "org/sub/svit", "--licence-ok")
    assert (ran.code, ran.last) == (2, "error: org/sub/svit: is no name of a repository; write it as org/name")
    ran = client.run(made.folder, "--repo-id", "svit", "--licence-ok")
    assert (ran.code, ran.last) == (2, "error: svit: names no organisation or user; write it as org/name")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ran = client.push(made.folder, HF_ENDPOINT=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert ran.code == 2
    assert ran.last.startswith("error: org/svit: cannot be reached (")
    assert "again in" not in ran.err  # nothing says that it can be reached at all, so nobody waits for it
    ran = client.push(made.folder, HF_HUB_OFFLINE="1")
    assert (ran.code, ran.last) == (
        2,
        "error: org/svit: cannot be reached, since HF_HUB_OFFLINE is set; unset it and push again",
    )
    assert "again in" not in ran.err
