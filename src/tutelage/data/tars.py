"""Tar shards in WebDataset's layout, read without unpacking."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tutelage.data.place import Aside, Place, is_picture, placed
from tutelage.data.splitnames import split_of
from tutelage.errors import UserError
from tutelage.progress import counted


def of_tar(root: Path, shard: Path, split: str, aside: Aside) -> Iterator[Place]:
    """KEY.jpg beside KEY.cls, which holds the class.

    Args:
        root: What the places are relative to.
        shard: Within it.
        split: Of all of them.
        aside: Takes what is not used.

    Raises:
        UserError: it is no sound tar file; an image has no class.
    """
    if not shard.is_file():
        raise UserError(f"{shard} is no plain file", "give an uncompressed tar file")
    images: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, str] = {}
    unusable = 0
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                key, ending = f"{folder}/{name.partition('.')[0]}", PurePosixPath(name).suffix.lower()
                if not member.isreg() or member.issparse():
                    unusable += is_picture(name)
                elif is_picture(name):
                    if key in images and images[key].name != member.name:
                        aside.same_key.append(f"{shard.name}: {images[key].name}")
                    images[key] = member
                elif ending == ".cls":
                    file = tar.extractfile(member)
                    labels[key] = file.read(1000).decode("utf-8", "replace").strip() if file else ""
                else:
                    aside.endings[ending or "no ending"] += 1
    except (tarfile.TarError, ValueError, EOFError, OSError) as error:
        raise UserError(f"{shard} is not a sound tar file: {error}", "uncompressed .tar is expected") from None
    if unusable:
        aside.notes.append(
            f"{counted(unusable, 'picture')} of {shard.name} left out: links and sparse files; pack them as plain files"
        )
    aside.alone += [f"{shard.name}: {key.lstrip('/')}.cls" for key in labels if key not in images]
    about = placed(root, shard.relative_to(root).as_posix(), split, "")
    for key, member in images.items():
        if not labels.get(key):
            what = "an empty .cls" if key in labels else "no .cls"
            raise UserError(
                f"{shard}: {member.name} has {what} beside it",
                "write its class into KEY.cls; a folder of classes that was packed is unpacked first",
            )
        yield about._replace(label=labels[key], offset=member.offset_data, length=member.size or -1)


def split_of_shard(shard: Path) -> str:
    """The split that a shard's name begins with: train-0003.tar; empty: none."""
    return next((split for end in "-_." if (split := split_of(shard.name.partition(end)[0]))), "")
