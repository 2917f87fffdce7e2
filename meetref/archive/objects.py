"""Objects: what recordings are made into, as files in a folder or in a bucket of S3, behind the same calls.

`obstore` does the work, on threads. An object is written under the key that it keeps, in parts where it is large (S3
cannot rename), and half an object is never seen; its octets are hashed as they go. That a file is stored does not yet
mean that it is there: only the event `composed` in the room's log says so (`archive/worker`), after `put`.
Stands above nothing of ours. Source: docs/keeping.md, spec/objects.toml; https://developmentseed.org/obstore.
Leaves out: links to files in a folder, which the server itself signs (`app/passes`), and versions of a key.
Read next: `archive/worker.py`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
import trio
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from meetref.archive.segment import sync_folder
from meetref.wire.reader import Malformed

logger = logging.getLogger("meetref.archive")

SCHEME = "s3://"
PIECE = 8 * 2**20  # octets in one part: S3 takes 10,000 of them, 80 GB
AT_ONCE = 4  # parts that are on their way
THREADS = 4  # calls at a time
MAXIMUM_KEY = 512  # characters
MAXIMUM_KEYS = 10_000  # in one listing; a recording has a dozen
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*\Z")
T = TypeVar("T")


class ObjectsUnavailable(Exception):
    """It cannot be done now, and perhaps later. The text is a sentence for people."""


class NoSuchObject(Exception):
    """Nothing is stored under this key."""


@dataclass(slots=True, frozen=True)
class Stored:
    """What is stored under a key. `sha256` is in hexadecimal digits."""

    key: str
    size: int
    sha256: str


def is_key(text: str) -> bool:
    """May an object be called so? Names with slashes between them; none begins with a dot."""
    return len(text) <= MAXIMUM_KEY and _KEY.match(text) is not None


class Objects:
    """A folder or a bucket. Made by `open_objects`. `folder` is where they are; None: in S3.

    `origin` is where browsers fetch what `sign` gives them, None for a folder. Except for `sign` and `path`, calls
    raise `ObjectsUnavailable`, and `ValueError` for what is no key.
    """

    def __init__(self, store: LocalStore | S3Store, folder: Path | None, origin: str | None, where: str) -> None:
        self.folder = folder
        self.origin = origin
        self._store = store
        self._where = where
        self._limiter = trio.CapacityLimiter(THREADS)

    async def put(self, key: str, source: Path, media_type: str) -> Stored:
        """Store the file `source`; when this returns it is safe. What was there under the key is replaced."""
        is_over = threading.Event()
        try:
            return await self._call(partial(self._put, _checked(key), source, media_type, is_over))
        finally:
            is_over.set()  # whoever was cancelled waits for no upload: its thread gives up at the next part

    async def read(self, key: str, maximum_size: int) -> bytes:
        """An object that has at most `maximum_size` octets. Raises `NoSuchObject`, `ValueError` for a larger one."""
        return await self._call(partial(self._read, _checked(key), maximum_size))

    async def keys(self, prefix: str) -> list[str]:
        """The keys below `prefix`, which is one or more whole names, in order."""
        return await self._call(partial(self._keys, _checked(prefix)))

    async def folders(self) -> list[str]:
        """The first names of all keys, in order."""
        return await self._call(self._folders)

    async def delete(self, keys: list[str]) -> None:
        """Have nothing under these keys. That there is nothing already is no error."""
        await self._call(partial(self._delete, [_checked(key) for key in keys]))

    def sign(self, key: str, lasts_for: float) -> str | None:
        """A link to an object in S3 that expires after so many seconds; None for a folder's."""
        if not isinstance(self._store, S3Store):
            return None
        with self._explained():  # spec: objects/links-expire
            return obstore.sign(self._store, "GET", _checked(key), timedelta(seconds=lasts_for))

    def path(self, key: str) -> Path:
        """Where the folder has an object, or would."""
        assert self.folder is not None
        return self.folder / _checked(key)

    # --- on a thread ----------------------------------------------------------------------------------

    async def _call(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)

    def _put(self, key: str, source: Path, media_type: str, is_over: threading.Event) -> Stored:
        digest, size = hashlib.sha256(), 0

        def pieces(file: Any) -> Iterator[bytes]:
            nonlocal size
            while piece := file.read(PIECE):
                if is_over.is_set():
                    raise ObjectsUnavailable("nobody waits for it any more")
                digest.update(piece)
                size += len(piece)
                yield piece

        with source.open("rb") as file, self._explained():
            # A link into S3 is another origin's, where a page cannot ask for a download itself.
            name = f'attachment; filename="{source.name}"'
            about = None if self.folder else {"Content-Type": media_type, "Content-Disposition": name}
            # spec: objects/whole-or-not
            obstore.put(self._store, key, pieces(file), attributes=about, chunk_size=PIECE, max_concurrency=AT_ONCE)
        if self.folder is not None:
            self._sync(self.path(key))
        return Stored(key, size, digest.hexdigest())  # spec: objects/checksum

    def _sync(self, path: Path) -> None:
        """Have the disk take a file and the folders above it."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # spec: objects/safe-when-put
            finally:
                os.close(descriptor)
            for folder in path.parents:
                sync_folder(folder)
                if folder == self.folder:
                    break
        except OSError as error:
            raise self._unavailable(error.strerror or str(error)) from error

    def _read(self, key: str, maximum_size: int) -> bytes:
        with self._explained():
            try:
                found = obstore.get(self._store, key)
                if found.meta["size"] > maximum_size:
                    raise ValueError(f"{key} has {found.meta['size']} octets, more than {maximum_size}")
                return bytes(found.bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                raise NoSuchObject(key) from None

    def _keys(self, prefix: str) -> list[str]:
        found: list[str] = []
        with self._explained():
            for page in obstore.list(self._store, prefix, chunk_size=1000):
                found += (each["path"] for each in page)
                if len(found) >= MAXIMUM_KEYS:  # spec: objects/bounded-listing
                    break
        return sorted(found)[:MAXIMUM_KEYS]

    def _folders(self) -> list[str]:
        with self._explained():
            found = obstore.list_with_delimiter(self._store)["common_prefixes"]
        return sorted(found)

    def _delete(self, keys: list[str]) -> None:
        for key in keys:
            with self._explained():
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError:
                    continue  # spec: objects/delete-again

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, NotImplementedError) as error:
            logger.debug("objects %s: %s", self._where, error)
            raise self._unavailable(_sentence(error)) from error  # spec: objects/unavailable-told

    def _unavailable(self, why: str) -> ObjectsUnavailable:
        return ObjectsUnavailable(f"The objects {self._where} cannot be used: {why}.")


def open_objects(place: str | Path, *, patience: float = 30.0, environment: Mapping[str, str] = os.environ) -> Objects:
    """The objects in a folder, which is made if need be, or in a bucket: `s3://BUCKET` or `s3://BUCKET/PREFIX`.

    Credentials, region and endpoint of S3 are read from the environment, by the names that the tools of AWS use
    (docs/keeping.md). `patience` is how many seconds one request may take; it is tried three times. Nothing is asked of
    S3 yet. Raises `Malformed` for what is no place, `ObjectsUnavailable`.
    """
    if not str(place).startswith(SCHEME):
        if "://" in str(place):
            raise Malformed(f"{str(place)[:60]!r} is neither a folder nor {SCHEME}BUCKET/PREFIX", 0)
        return _in_folder(Path(place).absolute())
    bucket, _, prefix = str(place).removeprefix(SCHEME).partition("/")
    prefix = prefix.strip("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket) or (prefix and not is_key(prefix)):
        raise Malformed(f"{str(place)[:60]!r} is no bucket and prefix: {SCHEME}BUCKET/PREFIX", 0)
    return _in_bucket(bucket, prefix, patience, environment)


def _in_folder(folder: Path) -> Objects:
    try:
        store = LocalStore(folder, mkdir=True, automatic_cleanup=True)
        sync_folder(folder.parent)
    except (OSError, BaseError) as error:
        raise ObjectsUnavailable(f"The folder {folder} cannot be made: {_sentence(error)}.") from error
    return Objects(store, folder, None, f"in {folder}")


def _in_bucket(bucket: str, prefix: str, patience: float, environment: Mapping[str, str]) -> Objects:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    endpoint = next((environment[name] for name in names if environment.get(name)), None)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    settings: dict[str, Any] = {"region": region}
    keys = {"access_key_id": "AWS_ACCESS_KEY_ID", "secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    keys["session_token"] = "AWS_SESSION_TOKEN"
    settings |= {setting: environment[name] for setting, name in keys.items() if environment.get(name)}
    if endpoint is not None:
        settings["endpoint"] = endpoint
    store = S3Store(
        bucket,
        prefix=prefix or None,
        checksum_algorithm="SHA256",  # an upload that was damaged on its way is refused
        client_options={
            "allow_http": (endpoint or "").startswith("http://"),
            "timeout": timedelta(seconds=patience),
            "connect_timeout": timedelta(seconds=min(5.0, patience)),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=3 * patience)},
        **settings,
    )
    objects = Objects(store, None, None, f"in {SCHEME}{bucket}")
    if "access_key_id" in settings:
        address = urlsplit(objects.sign("origin", 1.0) or "")
        objects.origin = f"{address.scheme}://{address.netloc}"
    return objects


def _checked(key: str) -> str:
    if not is_key(key):  # spec: objects/keys
        raise ValueError(f"{key[:60]!r} is no key of an object")
    return key


def _sentence(error: Exception) -> str:
    """What an error says, without the debug output that obstore appends, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).partition("\n\nDebug source")[0]
    code = re.search(r"<Code>([A-Za-z0-9]{1,60})</Code>", text)
    line = " ".join(text.partition("<")[0].split()).removesuffix(":").removesuffix(".")
    return f"{line[:300]} ({code.group(1)})" if code else line[:300]
