"""Understands what a data set's name stands for where it is no built-in set: a path here, the hub, or an address."""

from pathlib import Path

HUB = "hf:"
"""What a name of the Hugging Face hub begins with: hf:OWNER/NAME, or hf:OWNER/NAME:CONFIGURATION."""
ADDRESS = "://"
"""What is in every address that fsspec understands: s3://BUCKET/FOLDER, https://HOST/shards/train-0.tar."""
EXPECTED = "give a folder of images, a CSV file of path,label, a tar file, hf:OWNER/NAME or an address (s3://...)"


def is_elsewhere(name: str) -> bool:
    """Whether a name is of images that have to be fetched before they are read."""
    return ADDRESS in name or name.startswith(HUB)


def here(name: str) -> Path:
    """The path of a data set on this machine; what is elsewhere is fetched to the cache where it is not there yet.

    Raises:
        UserError: it is elsewhere and cannot be fetched.
    """
    from tutelage import files
    from tutelage.data import huggingface, remote

    if ADDRESS in name:
        return remote.fetched(name, files.cache_folder())
    return huggingface.fetched(name, files.cache_folder()) if name.startswith(HUB) else Path(name).expanduser()
