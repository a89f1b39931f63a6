"""`python -m captioner push`: a checkpoint onto the Hugging Face Hub."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

DESCRIPTION = """\
Put a checkpoint and its model card on the Hugging Face Hub. Of the folder only the .safetensors file and README.md are
sent; without a README.md the card is written from what the checkpoint says of itself. The repository is made where
there is none. Log in first: hf auth login.

  python -m captioner push my-model owner/name --dry-run     shows the card, sends nothing
  python -m captioner push my-model owner/name --license apache-2.0
  python app.py --checkpoint hf://owner/name
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "push",
        help="put a checkpoint on the Hugging Face Hub",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with one checkpoint, perhaps a README.md")
    parser.add_argument("address", metavar="owner/name", help="repository on the Hub")
    parser.add_argument("--revision", default=None, metavar="BRANCH", help="branch to write to (default: main)")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--license", default=None, metavar="ID", help="stated in a card written here: apache-2.0, ...")
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent, send nothing")
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Push; returns the exit code."""
    from captioner.hub import HubAddress
    from captioner.hub_push import pack, push

    address = HubAddress.parse(options.address)
    if options.revision is not None:
        address = dataclasses.replace(address, revision=options.revision)
    parcel = pack(options.folder, address, options.license)
    card = "a card written from it" if parcel.written else "README.md"
    print(f"{parcel.checkpoint.name} and {card}, to {address}")
    if parcel.left:
        print(f"not sent: {', '.join(parcel.left)}")
    if options.dry_run:
        print(parcel.card, end="")
        return 0
    print(push(parcel, address, options.private))
    print(f"use it with: python app.py --checkpoint {address}")
    return 0
