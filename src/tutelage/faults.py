"""An exception that nobody foresaw, in words: the system's, that of a user's own code, or a fault of tutelage."""

import errno
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from tutelage import __version__, userfile
from tutelage.errors import UserError

ISSUES = "https://github.com/tutelage/tutelage/issues"

_KEPT = "what is finished is kept, and the same command goes on from there"
_NO_ROOM = ("there is no room left to write{}", f"free some space, or choose another --runs: {_KEPT}")
_TOO_LARGE = (
    "a file would be larger than the system allows: cannot write{}",
    f"raise its limit (ulimit -f), or choose a --runs on another file system: {_KEPT}",
)
_FORBIDDEN = (
    "there is no permission to read or write{}",
    f"change its permissions; where it is in the folder of runs, you may choose another --runs: {_KEPT}",
)
_NO_LOCKS = (
    "the file system of{} cannot lock files: two processes could write one run at once",
    f"choose a --runs on a local disk: {_KEPT}",
)
_TOO_MANY = ("too many files are open{}", f"allow more (ulimit -n 4096), or lower --engine.workers: {_KEPT}")
_NO_MEMORY = ("there is not enough memory", f"lower the batch size, or --engine.workers; {_KEPT}")
_NO_SHARED_MEMORY = ("a process that reads images ran out of shared memory", "set --engine.workers 0")
_LOST = (
    "a process of this run has ended before the others",
    "what it said, if it did, is above (out of memory, a node that failed?); "
    "the same command goes on from the last checkpoint",
)
_NO_NETWORK = ("the network failed: {}", "look at the connection; the same command tries it again")

_BY_ERRNO = {
    **dict.fromkeys((errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)), _NO_ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _FORBIDDEN),
    **dict.fromkeys((errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP), _NO_LOCKS),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _TOO_MANY),
    errno.EFBIG: _TOO_LARGE,
    errno.ENOMEM: _NO_MEMORY,
}
_BY_TEXT = {  # libraries in other languages tell errno as text, in exceptions of their own
    r"\[\S*gloo\S*\]|Connection closed by peer|ProcessGroup(NCCL|Gloo)|process \d+ terminated with": _LOST,
    r"Too many open files|os error (23|24)\b|received \d+ items of ancdata": _TOO_MANY,
    r"shared memory|killed by signal: Bus error": _NO_SHARED_MEMORY,
    r"No space left on device|Disk quota exceeded|os error (28|122)\b|database or disk is full"
    r"|\d+ requested and \d+ written": _NO_ROOM,
    r"File too large|os error 27\b": _TOO_LARGE,
    r"Permission denied|Read-only file system|os error (1|13|30)\b": _FORBIDDEN,
    r"out of memory|[Cc]an(no|')t allocate memory|os error 12\b": _NO_MEMORY,
}
_IN_A_PROCESS = re.compile(r"^tutelage\.errors\.\w+: (.+?)(?:\n\nhint: (.+?))?\s*\Z", re.DOTALL | re.MULTILINE)
"""How torch tells that one of several training processes met a user's mistake."""
_HALF_WRITTEN = re.compile(r"\.([^/\\]+)\.\d+-([0-9a-f]{8}){1,2}\.tmp")
"""The name of a file until it is whole: see `files.appearing`."""
_NETWORK = ("requests.", "httpx.", "httpcore.", "urllib3.", "urllib.", "socket.", "ssl.", "huggingface_hub.")


def explained(error: Exception) -> UserError | None:
    """What a user can mend, in words; None for a fault of tutelage.

    Args:
        error: Any exception, with its traceback and what it came from.
    """
    own = _own_code(error)
    for link in _chain(error):
        if isinstance(link, UserError):
            return link
        if (found := _system(link)) is not None:
            return found
    if own:
        return UserError(f"{own} fails: {_one_line(error)}", "mend the file: the code is your own")
    return None


def report(error: Exception, arguments: list[str]) -> str:
    """What to print of a fault of tutelage; the traceback goes to a file of its own in the temporary folder.

    Args:
        error: The exception.
        arguments: The words of the command line.
    """
    trace = "".join(traceback.format_exception(error))
    text = (
        f"tutelage {__version__}, Python {sys.version}, {sys.platform}\n$ tutelage {shlex.join(arguments)}\n\n{trace}"
    )
    first = f"error: this is a fault of tutelage: {_one_line(error)}"
    hint = f"hint: report it at {ISSUES}, with that {{}}; it shows names of your folders. What is finished is kept"
    try:
        handle, path = tempfile.mkstemp(prefix="tutelage-fault-", suffix=".txt", text=True)
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return f"{text}\n{first}\n\n{hint.format('traceback')}"
    return f"{first}\nits traceback is in {path}\n\n{hint.format('file')}"


def _system(error: BaseException) -> UserError | None:
    """The cause where it is the machine's."""
    if isinstance(error, MemoryError):
        return UserError(*_NO_MEMORY)
    kind = type(error)
    if isinstance(error, ConnectionError | TimeoutError) or f"{kind.__module__}.".startswith(_NETWORK):
        return UserError(_NO_NETWORK[0].format(_one_line(error)), _NO_NETWORK[1])
    if isinstance(error, OSError) and error.errno is not None:
        name = error.filename if isinstance(error.filename, str | os.PathLike) else ""
        named = " " + _HALF_WRITTEN.sub(r"\1", str(os.fspath(name))) if name else ""
        if (known := _BY_ERRNO.get(error.errno)) is not None:
            return UserError(known[0].format(named), known[1])
        return UserError(
            f"cannot read or write{named}: {error.strerror or error}", "look at that path, or choose another --runs"
        )
    if (known := _IN_A_PROCESS.search(str(error))) is not None:
        return UserError(known[1], known[2] or "")
    for pattern, (message, hint) in _BY_TEXT.items():
        if re.search(pattern, str(error)):
            return UserError(message.format(""), hint)
    return None


def _own_code(error: BaseException) -> str:
    """The user's own file in which an exception came up, and the line; empty where it came up in ours."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).resolve() in userfile.loaded:
            return f"{frame.filename}, line {frame.lineno},"
        if Path(__file__).parent in Path(frame.filename).parents:
            return ""
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those it came from, the last one first."""
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        seen.append(link)
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}{': ' + lines[0][:300] if lines else ''}"
