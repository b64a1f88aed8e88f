"""Tells which split a folder, a shard or a word in a table names: as people call them, or as --data.splits says."""

import re
from typing import NamedTuple

from tutelage.errors import UserError

WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
}
"""How people name splits ..."""
AROUND = {
    *("set", "sets", "data", "dataset", "split", "folder", "dir", "files", "samples", "seg"),
    *("images", "image", "imgs", "img", "pictures", "photos"),
}
"""... and what they write around that: training_set, seg_train, Train Images, test2017."""
NO_SPLITS = "none"
"""As --data.splits: every folder is a class."""
HOW = "--data.splits train=A,val=B,test=C says which are splits; --data.splits none, that all are classes"


def split_of(name: str) -> str:
    """The split that a name stands for; empty where it is none.

    >>> [split_of(name) for name in ("Training_Set", "seg_test", "valid", "test tube", "trains")]
    ['train', 'test', 'val', '', '']
    """
    joined = re.sub("(set|data|images)$", "", name.strip().casefold())  # trainset, testdata
    words = [word for word in re.findall("[a-z]+", joined) if word not in AROUND]
    rest = re.sub(r"[a-z\d\s._-]", "", joined)
    return WORDS.get(words[0], "") if len(words) == 1 and not rest else ""


class Splits(NamedTuple):
    """How the splits of a path are told."""

    said: tuple[tuple[str, str], ...] = ()
    """(name in the data, split), as --data.splits says; empty: by their usual names."""
    none: bool = False
    """There are none: every folder is a class."""

    def of(self, name: str) -> str:
        """The split that a folder's or a table's word stands for; empty: none."""
        if self.none:
            return ""
        if self.said:
            return dict(self.said).get(name, "")
        return split_of(name)


def parsed(text: str) -> Splits:
    """What --data.splits says.

    >>> parsed("train=learn,test=kept").of("kept")
    'test'

    Raises:
        UserError: it is written in another way.
    """
    if text == NO_SPLITS:
        return Splits(none=True)
    said: list[tuple[str, str]] = []
    for pair in text.split(",") if text else []:
        split, _, name = (part.strip() for part in pair.partition("="))
        name = name.replace("\\", "/").strip("/")
        wrong = split not in ("train", "val", "test") or not name or ".." in name.split("/") or "\0" in name
        if wrong or name in dict(said):
            raise UserError(
                f"data.splits = {text!r} is not understood at {pair!r}",
                "write train=A,val=B,test=C with the names of folders (or of a table's splits), or none",
            )
        said.append((name, split))
    if said and "train" not in dict(said).values():
        raise UserError(f"data.splits = {text!r} names no train", "write train=A,val=B,test=C; only train is needed")
    return Splits(tuple(said))
