"""Checkpoints on the Hugging Face Hub: `hf://owner/name[@revision]` in the place of a file.

Only one .safetensors file is ever fetched, and `load_checkpoint` verifies it like any other. huggingface_hub keeps it,
and is imported only when such an address is used.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import CheckpointError

PREFIX = "hf://"
HTTP_LIBRARIES = ("requests", "httpx", "httpx2")
PATIENCE = 20.0  # seconds until the Hub counts as out of reach
PREFERRED = "saywhere.safetensors"  # where a repository has several
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


@dataclass(frozen=True)
class HubAddress:
    """A model repository on the Hub.

    Attributes:
        owner, name: of the repository.
        revision: a branch, a tag or a commit; None: its main branch.

    Raises:
        CheckpointError: one of them cannot be such a name.
    """

    owner: str
    name: str
    revision: str | None = None

    def __post_init__(self) -> None:
        named = _NAME.fullmatch(self.owner) and _NAME.fullmatch(self.name)
        if not named or (self.revision is not None and not _REVISION.fullmatch(self.revision)):
            raise CheckpointError(f"expected hf://owner/name or hf://owner/name@revision, got {self}")

    @classmethod
    def parse(cls, text: str) -> HubAddress:
        """Read `hf://owner/name[@revision]`; the `hf://` may be left out.

        Raises:
            CheckpointError: it is no such address.
        """
        path, at, revision = text.removeprefix(PREFIX).partition("@")
        owner, _, name = path.partition("/")
        return cls(owner, name, revision if at else None)

    @property
    def repository(self) -> str:
        """As the Hub names it: owner/name."""
        return f"{self.owner}/{self.name}"

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision is not None else "")


Source = Path | HubAddress


def read_source(text: str) -> Source:
    """Where a checkpoint is, as the operator wrote it: a path, or an address on the Hub.

    Raises:
        CheckpointError: it begins with hf:// and is no address.
    """
    return HubAddress.parse(text) if text.startswith(PREFIX) else Path(text)


def source_argument(text: str) -> Source:
    """`read_source` for argparse, which shows the sentence of this kind of error only.

    Raises:
        ArgumentTypeError: it begins with hf:// and is no address.
    """
    try:
        return read_source(text)
    except CheckpointError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def locate(source: Source) -> Path:
    """The checkpoint's file on this machine, fetched from the Hub where it lies there.

    Raises:
        CheckpointError: see `fetch_checkpoint`; a path is given back as it is.
    """
    return source if isinstance(source, Path) else fetch_checkpoint(source)


def fetch_checkpoint(address: HubAddress) -> Path:
    """Fetch a checkpoint, or find the copy fetched earlier where the Hub is out of reach or HF_HUB_OFFLINE is set.

    Raises:
        CheckpointError: there is no such repository, revision or file, or neither connection nor copy.
    """
    report_nothing()
    from huggingface_hub import HfApi, constants, errors, hf_hub_download

    if constants.HF_HUB_OFFLINE:
        return _copy_of(address, "HF_HUB_OFFLINE is set")
    try:
        found = HfApi().model_info(address.repository, revision=address.revision, timeout=PATIENCE)
        names = [file.rfilename for file in found.siblings or ()]
        name = choose_checkpoint(names, address)
        return Path(hf_hub_download(address.repository, name, revision=address.revision))
    except errors.RevisionNotFoundError as problem:
        raise CheckpointError(f"{address}: the repository has no such revision: give another after the @") from problem
    except errors.RepositoryNotFoundError as problem:  # gated ones and those one may not see, too
        raise CheckpointError(
            f"{address}: there is no such repository, or it is private: check the name, or log in with hf auth login"
        ) from problem
    except errors.HfHubHTTPError as problem:
        status = problem.response.status_code if problem.response is not None else "no answer"
        if status in (401, 403):
            raise CheckpointError(f"{address} may not be read: log in with hf auth login") from problem
        return _copy_of(address, f"the Hub answered with an error ({status})")
    except (ImportError, ValueError) as problem:
        if "proxy" not in str(problem):
            raise
        return _copy_of(address, f"the proxy that the environment names cannot be used ({problem})")
    except Exception as problem:
        if not is_connection_problem(problem):
            raise
        return _copy_of(address, "the Hub cannot be reached")


def report_nothing() -> None:
    """Before huggingface_hub is imported: it tells the Hub nothing but what is asked for."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def is_connection_problem(problem: Exception) -> bool:
    """Whether it comes from the network: each major version of huggingface_hub has another HTTP library."""
    return isinstance(problem, OSError) or type(problem).__module__.partition(".")[0] in HTTP_LIBRARIES


def choose_checkpoint(names: Sequence[str], address: HubAddress) -> str:
    """The one file of a repository that is fetched.

    Raises:
        CheckpointError: it has none, or several and none of them is `saywhere.safetensors`.
    """
    found = [name for name in names if name.endswith(".safetensors") and "/" not in name]
    if len(found) == 1:
        return found[0]
    if PREFERRED in found:
        return PREFERRED
    what = "no .safetensors file" if not found else f"several .safetensors files and none called {PREFERRED}"
    raise CheckpointError(f"{address} has {what}: choose a repository with a checkpoint of SayWhere")


def _copy_of(address: HubAddress, reason: str) -> Path:
    """The copy that an earlier visit left in huggingface_hub's cache."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    wanted = address.revision or "main"
    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        repositories = frozenset()
    for repository in repositories:
        if repository.repo_id != address.repository or repository.repo_type != "model":
            continue
        for revision in repository.revisions:
            if wanted in revision.refs or revision.commit_hash == wanted:
                files = {file.file_name: file.file_path for file in revision.files}
                return Path(files[choose_checkpoint(list(files), address)])
    raise CheckpointError(
        f"{address} was never fetched and {reason}: "
        "fetch it where there is a connection, or give the path of a checkpoint file"
    )
