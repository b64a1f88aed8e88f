"""Tells which split a folder, a shard or a word in a table names: as people call them, or as --data.splits says."""

import re
import unicodedata
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
LIKE_SPLITS = (
    "eval evaluation holdout heldout unseen fold folds split subset labeled labelled unlabeled unlabelled "
    "entrenamiento prueba validacion entrainement apprentissage essai treino treinamento teste validacao "
    "addestramento prova validierung "
    "\u8bad\u7ec3 \u8bad\u7ec3\u96c6 \u6d4b\u8bd5 \u6d4b\u8bd5\u96c6 \u9a8c\u8bc1 \u9a8c\u8bc1\u96c6 "
    "\u8a13\u7df4 \u6e2c\u8a66 \u9a57\u8b49 \u5b66\u7fd2 \u691c\u8a3c "
    "\u30c6\u30b9\u30c8 \ud6c8\ub828 \ud14c\uc2a4\ud2b8"
)
"""Further words in names of splits, none of them sure: people are asked where such folders hold the same folders."""
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
    rest = re.sub(r"[a-z\d\s._()-]", "", joined)  # "Train (1)", as a browser names a second download
    return WORDS.get(words[0], "") if len(words) == 1 and not rest else ""


def like_split(name: str) -> bool:
    """Whether a word in a name is one that people write in names of splits.

    >>> [like_split(name) for name in ("pets_train", "x-test", "FOLD3", "trains")]
    [True, True, True, False]
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    words = re.findall(r"[^\W\d_]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    return not {*WORDS, *LIKE_SPLITS.split()}.isdisjoint(unicodedata.normalize("NFC", word) for word in words)


class Splits(NamedTuple):
    """How the splits of a path are told."""

    given: tuple[tuple[str, str], ...] = ()
    """(name in the data, split), as --data.splits says; empty: by their usual names."""
    none: bool = False
    """There are none: every folder is a class."""

    def of(self, name: str) -> str:
        """The split that a folder's or a table's word stands for; empty: none."""
        if self.none:
            return ""
        if self.given:
            return dict(self.given).get(name, "")
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
    pairs: list[tuple[str, str]] = []
    for pair in text.split(",") if text else []:
        split, _, name = (part.strip() for part in pair.partition("="))
        name = name.replace("\\", "/").strip("/")
        wrong = split not in ("train", "val", "test") or not name or ".." in name.split("/") or "\0" in name
        if wrong or name in dict(pairs):
            raise UserError(
                f"data.splits = {text!r} is not understood at {pair!r}",
                "write train=A,val=B,test=C with the names of folders (or of a table's splits), or none",
            )
        pairs.append((name, split))
    if pairs and "train" not in dict(pairs).values():
        raise UserError(f"data.splits = {text!r} names no train", "write train=A,val=B,test=C; only train is needed")
    return Splits(tuple(pairs))
