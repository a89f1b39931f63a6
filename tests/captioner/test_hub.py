from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import tiny_checkpoint
from captioner.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from captioner.errors import CheckpointError
from captioner.hub import HubAddress, choose_checkpoint, locate, read_source
from captioner.hub_push import pack, push, write_card
from fake_hub import TOKEN, FakeHub, run_hub

ROOT = Path(__file__).resolve().parents[2]
# Fetches every address of a JSON list: a path, or the sentence of the refusal.
FETCH = """
import json, sys
from captioner.errors import CheckpointError
from captioner.hub import HubAddress, locate
def fetch(text):
    try:
        return str(locate(HubAddress.parse(text)))
    except CheckpointError as problem:
        return f"refused: {problem}"
print(json.dumps([fetch(text) for text in json.loads(sys.argv[1])]))
assert "torch" not in sys.modules
"""

# Pushes as a reader, as a writer to what is locked, and to where nobody answers: the sentences of the refusals.
PUSH = """
import json, os, sys
from pathlib import Path
from captioner.errors import CheckpointError
from captioner.hub import HubAddress
from captioner.hub_push import pack, push
from huggingface_hub import constants
address = HubAddress("them", "theirs")
parcel = pack(Path(sys.argv[1]), address)
said = []
for token, endpoint in (("hf_reader", sys.argv[2]), ("hf_writer", sys.argv[2]), ("hf_writer", "http://127.0.0.1:9")):
    os.environ["HF_TOKEN"] = token
    constants.ENDPOINT = endpoint
    try:
        said.append(push(parcel, address))
    except CheckpointError as problem:
        said.append(str(problem))
print(json.dumps(said))
"""


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with run_hub() as hub:
        yield hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    save_checkpoint(tiny_checkpoint(), folder / "tiny.safetensors")
    return folder


def environment(tmp_path: Path, address: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    return {**kept, **home, "PYTHONPATH": str(ROOT), **more}


def fetch(tmp_path: Path, address: str, *wanted: str, **more: str) -> list[str]:
    command = [sys.executable, "-W", "error", "-c", FETCH, json.dumps(wanted)]
    done = subprocess.run(
        command, env=environment(tmp_path, address, **more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def captioner(tmp_path: Path, address: str, *arguments: str, **more: str) -> Any:
    command = [sys.executable, "-m", "captioner", *arguments]
    return subprocess.run(
        command, env=environment(tmp_path, address, **more), capture_output=True, text=True, check=False
    )


def test_a_checkpoint_goes_there_and_back_and_stays_for_when_there_is_no_connection(
    hub: FakeHub, model: Path, tmp_path: Path
) -> None:
    (model / "notes.txt").write_text("not for others")
    done = captioner(tmp_path, hub.address, "push", str(model), "me/tiny", HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "not sent: notes.txt" in done.stdout
    assert "python app.py --checkpoint hf://me/tiny" in done.stdout
    assert set(hub.repositories["me/tiny"]["main"]) == {"README.md", "tiny.safetensors"}
    card = hub.repositories["me/tiny"]["main"]["README.md"].decode()
    assert "library_name: saywhere" in card
    assert "its weights are random" in card
    assert not any("telemetry" in call for call in hub.calls), hub.calls

    (path,) = fetch(tmp_path, hub.address, "hf://me/tiny")
    assert Path(path).read_bytes() == (model / "tiny.safetensors").read_bytes()
    assert load_checkpoint(Path(path)).card == tiny_checkpoint().card

    calls = len(hub.calls)
    copy = Path(path).name
    (offline,) = fetch(tmp_path, hub.address, "hf://me/tiny", HF_HUB_OFFLINE="1")
    assert Path(offline).name == copy
    assert len(hub.calls) == calls  # nothing was asked
    (lost,) = fetch(tmp_path, "http://127.0.0.1:9", "hf://me/tiny")
    assert Path(lost).read_bytes() == Path(path).read_bytes()


def test_every_refusal_is_one_sentence_that_says_what_to_do(hub: FakeHub, tmp_path: Path) -> None:
    hub.repositories = {
        "me/empty": {"main": {"README.md": b"", "model.bin": b"x", "deep/model.safetensors": b"x"}},
        "me/several": {"main": {"a.safetensors": b"a", "b.safetensors": b"b"}},
        "me/chosen": {"main": {"a.safetensors": b"a", "saywhere.safetensors": b"ours"}, "v2": {"c.safetensors": b"c"}},
        "me/private": {"main": {"a.safetensors": b"a"}},
    }
    hub.private = {"me/private"}
    wanted = ["me/none", "me/private", "me/empty", "me/several", "me/chosen@v9", "me/chosen", "me/chosen@v2"]
    none, private, empty, several, revision, chosen, branch = fetch(tmp_path, hub.address, *wanted)
    assert "there is no such repository, or it is private" in none
    assert "hf auth login" in private
    assert "no .safetensors file" in empty
    assert "several .safetensors files and none called saywhere.safetensors" in several
    assert "no such revision" in revision
    assert Path(chosen).read_bytes() == b"ours"
    assert Path(branch).read_bytes() == b"c"
    (allowed,) = fetch(tmp_path, hub.address, "me/private", HF_TOKEN=TOKEN)
    assert Path(allowed).read_bytes() == b"a"
    (offline,) = fetch(tmp_path, hub.address, "me/other", HF_HUB_OFFLINE="1")
    assert "was never fetched and HF_HUB_OFFLINE is set" in offline
    (lost,) = fetch(tmp_path, "http://127.0.0.1:9", "me/other")
    assert "was never fetched and the Hub cannot be reached" in lost
    for sentence in (none, private, empty, several, revision, offline, lost):
        assert sentence.startswith("refused: hf://me/")
        assert "\n" not in sentence


def test_pushing_without_leave_or_connection_is_one_sentence(
    hub: FakeHub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.locked = {"them/theirs"}
    command = [sys.executable, "-c", PUSH, str(model), hub.address]
    done = subprocess.run(command, env=environment(tmp_path, hub.address), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reader, locked, lost = json.loads(done.stdout)
    assert "may not be written: run hf auth login" in reader
    assert locked.startswith("them/theirs may not be written")
    assert lost == "the Hub cannot be reached: try again where there is a connection"
    assert hub.repositories == {}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="while HF_HUB_OFFLINE is set: unset it"):
        push(pack(model, HubAddress("me", "tiny")), HubAddress("me", "tiny"))


def test_a_branch_is_made_and_a_card_of_ones_own_is_kept(hub: FakeHub, model: Path, tmp_path: Path) -> None:
    (model / "README.md").write_text("---\nlicense: mit\n---\nMine.\n")
    done = captioner(tmp_path, hub.address, "push", str(model), "me/tiny", "--revision", "v2", HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert "hf://me/tiny@v2" in done.stdout
    assert hub.repositories["me/tiny"]["main"] == {}
    assert hub.repositories["me/tiny"]["v2"]["README.md"] == b"---\nlicense: mit\n---\nMine.\n"


def test_a_dry_run_shows_the_card_and_sends_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from captioner.__main__ import main

    assert main(["push", str(model), "me/tiny", "--dry-run", "--license", "apache-2.0"]) == 0
    said = capsys.readouterr().out
    assert "license: apache-2.0" in said
    assert "--checkpoint hf://me/tiny" in said


def test_a_card_tells_what_the_checkpoint_tells() -> None:
    about = ModelCard("ours", "two photos", {"seed": 3}, {"cider": 0.5})
    card = write_card(about, HubAddress("me", "ours"), "mit")
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert {"license: mit", "library_name: saywhere", "pipeline_tag: image-to-text"} <= set(front.splitlines())
    assert "# ours" in body
    assert '"cider": 0.5' in body
    assert '"seed": 3' in body


def test_a_card_of_ones_own_is_read_with_its_mark_or_refused_in_a_sentence(model: Path) -> None:
    (model / "._tiny.safetensors").write_bytes(b"\0\5\x16\7")  # a Mac's
    (model / "README.md").write_bytes("---\nlicense: mit\n---\n모델\n".encode("utf-8-sig"))
    assert pack(model, HubAddress("me", "tiny")).card == "---\nlicense: mit\n---\n모델\n"
    (model / "README.md").write_bytes("모델".encode("cp949"))
    with pytest.raises(
        CheckpointError, match=r"README\.md is in another encoding than the Hub reads: save it as UTF-8"
    ):
        pack(model, HubAddress("me", "tiny"))


def test_only_a_folder_with_one_sound_checkpoint_is_packed(model: Path, tmp_path: Path) -> None:
    address = HubAddress("me", "tiny")
    parcel = pack(model, address)
    assert (parcel.checkpoint.name, parcel.written, parcel.left) == ("tiny.safetensors", True, ())
    with pytest.raises(CheckpointError, match="is no folder"):
        pack(tmp_path / "none", address)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"holds no \.safetensors file"):
        pack(tmp_path / "empty", address)
    (model / "other.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"holds 2 \.safetensors files, none called saywhere\.safetensors"):
        pack(model, address)
    (model / "other.safetensors").rename(model / "saywhere.safetensors")
    with pytest.raises(CheckpointError, match="no readable safetensors file"):
        pack(model, address)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://me/tiny", HubAddress("me", "tiny")),
        ("hf://me/tiny@v1.0", HubAddress("me", "tiny", "v1.0")),
        ("hf://A-b/c_d.e@refs/pr/1", HubAddress("A-b", "c_d.e", "refs/pr/1")),
    ],
)
def test_addresses_are_read_and_said_again(text: str, expected: HubAddress) -> None:
    assert read_source(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    ["hf://", "hf://me", "hf://me/", "hf:///tiny", "hf://me/tiny@", "hf://me/a/b", "hf://me/../x", "hf://me/t y"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="expected hf://owner/name or hf://owner/name@revision, got "):
        read_source(text)


def test_a_path_stays_a_path() -> None:
    assert read_source("some/model.safetensors") == Path("some/model.safetensors")
    assert locate(Path("none.safetensors")) == Path("none.safetensors")


def test_of_several_files_the_one_called_saywhere_is_taken() -> None:
    address = HubAddress("me", "tiny")
    assert choose_checkpoint(["x/y.safetensors", "a.safetensors", "b.bin"], address) == "a.safetensors"
    assert choose_checkpoint(["a.safetensors", "saywhere.safetensors"], address) == "saywhere.safetensors"


def test_a_wrong_address_on_the_command_line_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    from captioner.__main__ import main

    with pytest.raises(SystemExit) as stopped:
        main(["caption", "x.jpg", "--checkpoint", "hf://nobody"])
    assert stopped.value.code == 2
    assert "expected hf://owner/name" in capsys.readouterr().err
