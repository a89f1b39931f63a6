"""Photos on disk and what people said of them: a folder's `captions.json`, or a Karpathy split file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from captioner.errors import DataError
from captioner.json_file import read_json
from captioner.names import APPLE_DOUBLE
from captioner.training.phrases import FILENAME, Label, Sentence, load_phrases, read_labels

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Example:
    """One photo and what people said of it or marked in it.

    Attributes:
        filename: the photo's name, unique in its data set.
        path: where the photo lies.
        split: "train", "val" or "test".
        captions: sentences as written; none where only labels are known.
        labels: things people marked in the photo.
        sentences: captions with their phrases and boxes, where they are known.
        source: name of the data folder.
    """

    filename: str
    path: Path
    split: str
    captions: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    sentences: tuple[Sentence, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class CaptionData:
    """The photos of one or more folders, in the files' order."""

    examples: tuple[Example, ...]

    def split(self, name: str) -> tuple[Example, ...]:
        """The examples of one split.

        Raises:
            DataError: the split is unknown or holds no photo.
        """
        if name not in SPLITS:
            raise DataError(f"expected a split out of {', '.join(SPLITS)}, got {name!r}")
        chosen = tuple(example for example in self.examples if example.split == name)
        if not chosen:
            held = sorted({example.split for example in self.examples})
            raise DataError(f"no photo of this data set is in the split {name!r}: choose out of {', '.join(held)}")
        return chosen


def load_data(folder: Path, labelled: bool = False) -> CaptionData:
    """Read a data folder.

    Two layouts are understood. `captions.json`: a list of `{filename, split, captions}`, photos under `images/`;
    optional are `labels` and `boxes` (see `read_labels`) and a file of phrase boxes (see `load_phrases`).
    Any other single JSON file in Karpathy's format (`{"images": [{filename, filepath?, split, sentences}]}`, split
    "restval" counted as train), photos under `images/` or beside the file.

    Args:
        labelled: give the photos known by labels alone (`"kind": "labels"`) too, without captions.

    Raises:
        DataError: the folder is missing or empty, the JSON is of another shape, a photo has no caption or a
            caption no photo.
    """
    return load_folders((folder,), labelled)


def load_folders(folders: Iterable[Path], labelled: bool = False) -> CaptionData:
    """The photos of several data folders as one, folder after folder; see `load_data`.

    Raises:
        DataError: as `load_data`; or two folders have the same name, or list the same photo.
    """
    folders = tuple(folders)
    if len({folder.name for folder in folders}) < len(folders):
        raise DataError(f"expected folders of different names, got {', '.join(folder.name for folder in folders)}")
    examples = [example for folder in folders for example in _load_folder(folder, labelled)]
    seen: set[str] = set()
    for example in examples:
        if example.filename in seen:
            raise DataError(f"{example.filename} is listed twice: a photo's captions belong in one record")
        seen.add(example.filename)
    return CaptionData(tuple(examples))


def _load_folder(folder: Path, labelled: bool) -> list[Example]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the folder that holds captions.json and images/")
    records = _read_records(folder)
    photos = folder / "images" if (folder / "images").is_dir() else folder
    phrases = load_phrases(folder)
    chosen = [record for record in records if _is_chosen(record, labelled)]
    examples = [_example(record, photos, phrases.get(str(record.get("filename")), ())) for record in chosen]
    if not any(example.captions for example in examples):
        raise DataError(f"{folder} holds no captioned photo: its JSON file lists none")
    return [replace(example, source=folder.name) for example in examples]


def _is_chosen(record: dict[str, Any], labelled: bool) -> bool:
    """Whether an example is made of a record; those of a list of all files of a Mac's folder are not all photos."""
    if Path(str(record.get("filename"))).name.startswith(APPLE_DOUBLE):
        return False
    return labelled or record.get("kind") != "labels"


def _read_records(folder: Path) -> list[dict[str, Any]]:
    named = folder / "captions.json"
    try:
        candidates = [named] if named.is_file() else sorted(filter(_may_be_records, folder.iterdir()))
    except OSError as problem:
        raise DataError(f"{folder} cannot be read: choose a folder whose files you may list") from problem
    if len(candidates) != 1:
        found = "none" if not candidates else ", ".join(path.name for path in candidates[:4])
        raise DataError(f"{folder} needs captions.json or exactly one Karpathy JSON file, found {found}")
    try:
        content = read_json(candidates[0])
    except (OSError, ValueError) as problem:
        raise DataError(f"{candidates[0]} is no readable JSON: {problem}") from problem
    records = content.get("images") if isinstance(content, dict) else content
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DataError(f"{candidates[0]} is neither a list of photos nor a Karpathy file with a list under 'images'")
    return records


def _may_be_records(path: Path) -> bool:
    apart = path.name == FILENAME or path.name.startswith(APPLE_DOUBLE)
    return path.suffix.lower() == ".json" and path.is_file() and not apart


def _example(record: dict[str, Any], photos: Path, sentences: tuple[Sentence, ...]) -> Example:
    filename, split = record.get("filename"), record.get("split")
    if not isinstance(filename, str) or not filename:
        raise DataError(f"a record has no filename: {str(record)[:80]}")
    split = "train" if split == "restval" else split
    if split not in SPLITS:
        raise DataError(f"{filename}: expected a split out of {', '.join(SPLITS)}, got {split!r}")
    if "sentences" in record:
        captions = tuple(str(sentence.get("raw") or " ".join(sentence["tokens"])) for sentence in record["sentences"])
    else:
        captions = tuple(str(caption) for caption in record.get("captions") or ())
    labels = read_labels(record)
    if not any(caption.strip() for caption in captions) and not (record.get("kind") == "labels" and labels):
        raise DataError(f"{filename} has no caption: add one, or take the photo out of the list")
    path = photos / str(record.get("filepath", "")) / filename
    if not path.is_file():
        raise DataError(f"{filename} has captions but no photo: expected it at {path}")
    return Example(filename, path, split, captions, labels, sentences)
