"""A checkpoint and its model card onto the Hugging Face Hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from captioner.checkpoint import ModelCard, load_checkpoint
from captioner.errors import CheckpointError
from captioner.hub import PREFERRED, HubAddress, is_connection_problem, report_nothing
from captioner.names import APPLE_DOUBLE

CARD = "README.md"


@dataclass(frozen=True)
class Parcel:
    """What is sent.

    Attributes:
        checkpoint: the file, verified.
        card: text of the model card.
        written: whether the card was written here, from what the checkpoint says of itself.
        left: names of the folder's other files, which stay.
    """

    checkpoint: Path
    card: str
    written: bool
    left: tuple[str, ...]


def pack(folder: Path, address: HubAddress, licence: str | None = None) -> Parcel:
    """Choose and verify what a folder has to send.

    Args:
        licence: for a card that is written here, as the Hub names it ("apache-2.0"); None: none is stated.

    Raises:
        CheckpointError: it is no folder, or holds no checkpoint, several, or a damaged one.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is no folder: give the one that holds the checkpoint")
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(APPLE_DOUBLE))
    found = [path for path in files if path.suffix == ".safetensors"]
    preferred = [path for path in found if path.name == PREFERRED]
    if len(found) != 1 and not preferred:
        what = "no .safetensors file" if not found else f"{len(found)} .safetensors files, none called {PREFERRED}"
        raise CheckpointError(f"{folder} holds {what}: leave the one to push")
    checkpoint = found[0] if len(found) == 1 else preferred[0]
    about = load_checkpoint(checkpoint).card
    readme = folder / CARD
    card = _read_card(readme) if readme.is_file() else write_card(about, address, licence)
    left = tuple(path.name for path in files if path not in (checkpoint, readme))
    return Parcel(checkpoint, card, not readme.is_file(), left)


def _read_card(readme: Path) -> str:
    try:
        return readme.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise CheckpointError(f"{readme} is in another encoding than the Hub reads: save it as UTF-8") from problem


def write_card(about: ModelCard, address: HubAddress, licence: str | None) -> str:
    """A model card out of what the checkpoint says of itself."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        library_name="saywhere",
        pipeline_tag="image-to-text",
        tags=["image-captioning", "attention", "saywhere"],
        license=licence,
    )
    blocks = [
        f"---\n{data.to_yaml()}\n---",
        f"# {about.name}",
        f"An image captioner of SayWhere (Show, Attend and Tell), trained on {about.trained_on}.",
        f"```\npython app.py --checkpoint {address}\npython -m captioner caption photo.jpg --checkpoint {address}\n```",
    ]
    for title, values in (("Scores", about.scores), ("How it was made", about.provenance)):
        if values:
            blocks += [f"## {title}", f"```json\n{json.dumps(values, indent=1, ensure_ascii=False)}\n```"]
    return "\n\n".join(blocks) + "\n"


def push(parcel: Parcel, address: HubAddress, private: bool = False) -> str:
    """Send a parcel; the repository is made where there is none.

    Args:
        address: its revision is the branch to write to.
        private: of a repository that is made.

    Returns:
        where it is now, as an address for a browser.

    Raises:
        CheckpointError: nobody is logged in, may not write there, or there is no connection.
    """
    report_nothing()
    from huggingface_hub import CommitOperationAdd, HfApi, constants, errors

    if constants.HF_HUB_OFFLINE:
        raise CheckpointError("nothing can be pushed while HF_HUB_OFFLINE is set: unset it")
    api = HfApi()
    operations = [
        CommitOperationAdd(CARD, parcel.card.encode()),
        CommitOperationAdd(parcel.checkpoint.name, str(parcel.checkpoint)),
    ]
    try:
        made = api.create_repo(address.repository, private=private, exist_ok=True)
        if address.revision is not None:
            api.create_branch(address.repository, branch=address.revision, exist_ok=True)
        api.create_commit(
            address.repository,
            operations,
            commit_message=f"{parcel.checkpoint.stem} by SayWhere",
            revision=address.revision,
        )
    except errors.LocalTokenNotFoundError as problem:
        raise CheckpointError(
            "nobody is logged in to the Hub: run hf auth login with a token that may write"
        ) from problem
    except errors.HfHubHTTPError as problem:
        status = problem.response.status_code if problem.response is not None else "no answer"
        if status in (401, 403):
            raise CheckpointError(
                f"{address.repository} may not be written: run hf auth login with a token that may write there"
            ) from problem
        raise CheckpointError(f"the Hub refused the checkpoint ({status}): try again in a moment") from problem
    except Exception as problem:
        if not is_connection_problem(problem):
            raise
        raise CheckpointError("the Hub cannot be reached: try again where there is a connection") from problem
    return str(made)
