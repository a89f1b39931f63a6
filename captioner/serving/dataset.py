"""A collection captioned by a cluster with Ray Data: photos of folders or of S3 in, Parquet out.

    read_binary_files -> any core opens and squashes photos -> batches through the models -> write_parquet

Each stage works while the others do, in bounded memory. A photo that cannot be used is a row that says why. The columns
are those of `caption --batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from captioner.collection.options import CollectionOptions, Tally
from captioner.collection.parquet import row_schema
from captioner.collection.reading import Read
from captioner.errors import PhotoError, RecordError
from captioner.finding import find_photos, is_photo_name
from captioner.photo import PHOTO_ENDINGS, PhotoSettings, open_photo, reduce_photo
from captioner.serving.cluster import Cluster, hush, require_ray
from captioner.serving.options import ServingOptions

S3 = "s3://"
Place = Path | str  # of photos: a file or folder, or an address that begins with s3://
Columns = dict[str, list[Any]]


def open_rows(rows: dict[str, Any], settings: PhotoSettings, scheme: str) -> Columns:
    """Open photos where there is a core: columns "path" and "bytes" in; "photo", "side", "square" and "error" out.

    A function, not an object: Ray then uses any core for it, and a GPU never waits for a photo to be opened.

    Args:
        settings: the square, side x side x 3 bytes, is what such a model looks at.
        scheme: goes before every path; Ray leaves out that of S3.
    """
    columns: Columns = {"photo": [], "side": [], "square": [], "error": []}
    for path, content in zip(rows["path"], rows["bytes"], strict=True):
        if scheme and not is_photo_name(Path(path)):  # Ray looks at the ending alone
            continue
        columns["photo"].append(f"{scheme}{path}")
        found: tuple[int, bytes, str | None]
        try:
            square = reduce_photo(open_photo(bytes(content)), settings)
            found = (square.width, square.tobytes(), None)
        except PhotoError as problem:
            found = (0, b"", str(problem))
        for name, value in zip(("side", "square", "error"), found, strict=True):
            columns[name].append(value)
    return columns


class Model:
    """Captions batches in a process of its own, which loads the model once."""

    def __init__(self, serving: ServingOptions, options: CollectionOptions) -> None:
        import torch

        from captioner.captioner import Captioner
        from captioner.hub import locate, read_source

        torch.set_num_threads(serving.threads)
        self._captioner = Captioner.load(locate(read_source(serving.checkpoint)), serving.device)
        self._options = options

    def __call__(self, rows: Any) -> Any:
        """An Arrow table of opened photos to one of captions."""
        from PIL import Image

        from captioner.collection.run import batch_lines
        from captioner.photo import prepare_photo

        opened: list[dict[str, Any]] = rows.to_pylist()
        read: list[Read] = []
        for row in opened:
            if row["error"] is None:
                square = Image.frombytes("RGB", (row["side"], row["side"]), row["square"])
                read.append((Path(row["photo"]), prepare_photo(square, self._captioner.photo_settings)))
            else:
                read.append((Path(row["photo"]), PhotoError(row["error"])))
        lines = batch_lines(self._captioner, read, self._options)
        named = [{**line, "photo": row["photo"]} for line, row in zip(lines, opened, strict=True)]
        return _table(named)


def caption_dataset(
    places: Sequence[Place], out: str, options: CollectionOptions, serving: ServingOptions, cluster: Cluster
) -> Tally:
    """Caption all photos of some places into a new folder of Parquet files.

    Args:
        places: files and folders that every machine of the cluster has, or addresses that begin with s3:// (Ray uses
            the credentials of the environment).
        out: a folder, new or empty, or such an address.
        options: how; its `batch` photos run together.
        serving: how many models, from `least` to `most`, and what each has.
        cluster: where.

    Raises:
        PhotoError: there is no such place, or no photo in it.
        RecordError: `out` is not empty or cannot be written.
        ServingError: Ray is missing, or there is no such cluster.
        CheckpointError: the checkpoint cannot be used.
    """
    require_ray()
    check_empty(out)
    settings = _photo_settings(serving)
    with cluster.joined():
        write_captions(opened_photos(places, settings, options), out, options, serving)
    return count_rows(out)


def write_captions(photos: Any, out: str, options: CollectionOptions, serving: ServingOptions) -> None:
    """Caption opened photos in the cluster that was joined, into a folder of Parquet files."""
    from ray.data import ActorPoolStrategy

    hush()
    captions = photos.map_batches(
        Model,
        fn_constructor_args=(serving, options),
        batch_size=options.batch,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=serving.least, max_size=serving.most),
        num_cpus=serving.cpus,
        num_gpus=serving.gpus,
    )
    captions.write_parquet(out)


def check_empty(out: str) -> None:
    """Make sure that nothing lies where captions are to be written.

    Raises:
        RecordError: something does, or nobody may look there.
    """
    from pyarrow import fs

    try:
        system, path = _filesystem(out)
        there = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except (OSError, ValueError) as problem:  # pyarrow's errors are among these
        raise RecordError(f"{out} cannot be used: choose a folder that can be written") from problem
    if there:
        raise RecordError(f"{out} is not empty: choose a new folder, or remove what lies there")


def count_rows(out: str) -> Tally:
    """How many photos of a folder of captions were captioned, and how many refused."""
    import pyarrow.compute as arrow
    import pyarrow.dataset

    system, path = _filesystem(out)
    found = pyarrow.dataset.dataset(path, format="parquet", filesystem=system)
    refused = found.count_rows(filter=~arrow.field("error").is_null())
    return Tally(captioned=found.count_rows() - refused, refused=refused, kept=0)


def opened_photos(places: Sequence[Place], settings: PhotoSettings, options: CollectionOptions) -> Any:
    """The opened photos of all places, as a Ray data set."""
    from ray import data

    found = find_photos(place for place in places if isinstance(place, Path))
    local = [str(path.absolute()) for path in found.photos]
    remote = [place for place in places if isinstance(place, str)]
    if not local and not remote:
        raise PhotoError("there is no photo in what was given: check the path")
    read = []
    if local:
        read.append((data.read_binary_files(local, include_paths=True), ""))
    if remote:
        endings = [ending.removeprefix(".") for ending in PHOTO_ENDINGS]
        read.append((data.read_binary_files(remote, include_paths=True, file_extensions=endings), S3))
    first, *others = (
        photos.map_batches(open_rows, fn_kwargs={"settings": settings, "scheme": scheme}, batch_size=options.batch)
        for photos, scheme in read
    )
    return first.union(*others) if others else first


def _photo_settings(serving: ServingOptions) -> PhotoSettings:
    from captioner.checkpoint import load_checkpoint
    from captioner.hub import locate, read_source

    return load_checkpoint(locate(read_source(serving.checkpoint))).photo_settings


def _filesystem(out: str) -> tuple[Any, str]:
    from pyarrow import fs

    found: tuple[Any, str] = fs.FileSystem.from_uri(out if "://" in out else Path(out).absolute().as_uri())
    return found


def _table(lines: list[dict[str, Any]]) -> Any:
    """Lines as an Arrow table; what one lacks is null."""
    import pyarrow

    return pyarrow.Table.from_pylist(lines, schema=row_schema(pyarrow))
