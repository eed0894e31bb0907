"""The card of a folder that holds a part of a repository: what was fetched loads, what was not is said."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from downloads import fetch, files
from hub_client import Client
from hub_server import HubServer
from published import TEXT_CONFIGS, Published, publish

from svit_datasets.configs import CONFIGS
from svit_datasets.publish.fetching.local_card import KEPT, cut_card, listed_configs
from svit_datasets.publish.layout import README

ROWS = {"train": 9, "test": 2}
OF = ("--repo-id", "org/svit", "-o", "got")


@pytest.fixture(scope="module", params=["embed", "separate", "none"])
def shards(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("shards"), images=request.param)


@pytest.fixture(scope="module")
def separate(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("separate"), images="separate")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    (tmp_path / "nothing").mkdir()
    with HubServer(tmp_path / "nothing") as server:
        yield server


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    return Client(hub, tmp_path)


def loaded(client: Client, line: str) -> dict[str, int]:
    """Run the printed line with plain ``datasets``; return the rows of each split."""
    code = f"import datasets, json, sys\nd = {line}\nassert 'svit_datasets' not in sys.modules\n"
    told = client(code=code + "print('\\n'.join(f'{name} {len(d[name])}' for name in d))")
    assert told.code == 0, told.err
    return {name: int(rows) for name, rows in map(str.split, told.out.splitlines())}


def test_the_printed_line_loads_each_configuration_alone(client: Client, hub: HubServer, shards: Published) -> None:
    hub.create("org/svit", files=files(shards.folder))
    for config in [config.name for config in shards.release.configs]:
        told = client("download", "--repo-id", "org/svit", config, "-o", f"of {config}")
        assert told.code == 0, told.err
        line = next(line for line in told.err.splitlines() if line.startswith("next: datasets."))
        assert line == f'next: datasets.load_dataset("of {config}", "{config}")'
        assert loaded(client, line.removeprefix("next: ")) == ROWS


def test_what_is_left_out_is_said_and_nothing_is_fetched_twice(
    client: Client, hub: HubServer, separate: Published
) -> None:
    hub.create("org/svit", files=files(separate.folder))
    card = (separate.folder / README).read_text()
    for fetched in (10, 0):
        hub.asked.clear()
        told = client("download", "referring", *OF)
        assert told.code == 0, told.err
        first, said, load, convert = told.err.splitlines()
        assert first.startswith(f"download: fetched {fetched} files (")
        assert said == (
            "README.md: leaves out conversation, complex_reasoning, detail, not fetched, so that the rest loads; "
            "fetch them to have the Hub's"
        )
        assert client(*shlex.split(convert.removeprefix("next: "))[1:], "--overwrite").code == 0
        assert load.startswith("next: ")
    assert not [a for a in hub.asked if "/cdn/" in a.path or "/resolve/" in a.path]
    cut = (client.folder / "got/README.md").read_text()
    assert listed_configs(cut) == ["referring", "images"]
    assert cut.partition("\n---\n")[2] == card.partition("\n---\n")[2]
    more = client("download", "detail", "conversation", *OF, "--no-images").err.splitlines()
    assert more[1] == (
        "README.md: leaves out complex_reasoning, not fetched, so that the rest loads; fetch it to have the Hub's"
    )
    assert client("download", *OF).err.count("\n") == 3
    assert files(client.folder / "got") == files(separate.folder)  # the Hub's card, and nothing beside it


def test_without_images_the_rest_loads(client: Client, hub: HubServer, separate: Published) -> None:
    hub.create("org/svit", files=files(separate.folder))
    told = client("download", *OF, "--no-images")
    assert "README.md: leaves out images, not fetched, so that the rest loads; fetch it to have the Hub's" in told.err
    for config in TEXT_CONFIGS:
        assert loaded(client, f'datasets.load_dataset("got", "{config}")') == ROWS


def test_a_card_that_was_changed_is_not_written_over(client: Client, hub: HubServer, separate: Published) -> None:
    hub.create("org/svit", files=files(separate.folder))
    fetch(client, repo_id="org/svit", configs=["detail"], with_images=False)
    card = client.folder / "got/README.md"
    cut = card.read_bytes()
    card.write_bytes(cut + b"Mine.\n")
    told = fetch(client, repo_id="org/svit", configs=["detail"], with_images=False)
    assert re.fullmatch(
        r"got/README\.md \([0-9,]+ bytes, the Hub's has [0-9,]+\): changed, damaged or of another revision; pass "
        r"--overwrite to fetch again what is not as on the Hub, or name another folder",
        told["error"],
    )
    assert card.read_bytes() == cut + b"Mine.\n"
    again = fetch(client, repo_id="org/svit", configs=["detail"], with_images=False, overwrite=True)
    assert again["fetched"] == [README]
    assert card.read_bytes() == cut


def test_a_dry_run_and_a_broken_card_change_nothing(client: Client, hub: HubServer, separate: Published) -> None:
    content = files(separate.folder)
    hub.create("org/svit", files=content)
    fetch(client, repo_id="org/svit")
    (client.folder / "got/data/detail/train-00000-of-00003.parquet").unlink()
    before = files(client.folder / "got")
    assert fetch(client, repo_id="org/svit", dry_run=True)["fetched"] == ["data/detail/train-00000-of-00003.parquet"]
    assert files(client.folder / "got") == before
    for number, card in enumerate((b"# no YAML\n", b"---\nconfigs: [\n---\n", b"---\nconfigs: \xff\n---\n")):
        hub.create(f"org/odd{number}", files={**content, README: card})
        told = client("download", "detail", "--repo-id", f"org/odd{number}", "-o", f"odd{number}")
        assert (told.code, "leaves out" in told.err) == (0, False)
        assert (client.folder / f"odd{number}/README.md").read_bytes() == card
        assert not (client.folder / f"odd{number}" / KEPT).exists()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_cut_keeps_all_else(separate: Published, end: str) -> None:
    card = (separate.folder / README).read_text().replace("\n", end)
    assert cut_card(card, CONFIGS).split("---")[2:] == card.split("---")[2:]
    cut = cut_card(card, ["detail"])
    assert listed_configs(cut) == ["detail"]
    assert cut_card(cut, ["detail"]) == cut
    assert cut.partition(f"{end}---{end}")[2] == card.partition(f"{end}---{end}")[2]
    assert cut_card("# no YAML", ["detail"]) == "# no YAML"
