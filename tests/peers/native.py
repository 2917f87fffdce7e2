"""Peers in C, C++, Rust, Java and Go without a package: each is built once from a registry, outside of the tree.

`boringssl` (crate boring), `wolfssl` (crate wolfssl-sys) and `dimpl` (crate dimpl) are DTLS stacks, `str0m` (crate
str0m) is a whole WebRTC peer; `jitsi` (jitsi-utils, from Maven) and `mediasoup` (crate mediasoup-sys) know who leads a
conversation; `kafka` (from Maven) is a broker and `versitygw` (a Go module) an S3 server. What drives them is in
tests/peers/native/. What was built stays in the cache folder under the version it was built from, so a second run
costs nothing; a program that was changed since is built again, with the libraries that are there.
`MEETREF_CACHE` names another folder than ~/.cache/meetref. `python3 -m tests.peers.native` builds all of them, so that
a run of all tests need not wait for it; it needs nothing but Python.
Read next: tests/peers/test_dtls_native.py, tests/peers/test_str0m.py.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("MEETREF_CACHE", "~/.cache/meetref")).expanduser() / "peers"
SOURCES = Path(__file__).parent / "native"
BUILT_FROM = "built-from"


@dataclass(frozen=True)
class Native:
    """A program: `binary` is below the cache folder of its version, `needs` are the tools that building it takes."""

    name: str
    version: str
    binary: str
    needs: tuple[str, ...]
    build: Callable[[Native, Path], None]
    needs_libclang: bool = False

    @property
    def folder(self) -> Path:
        return CACHE / f"{self.name}-{self.version}"

    def path(self) -> Path:
        """The program, built if it must be, or waited for while another process builds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._is_built():
                self.build(self, self.folder)
                (self.folder / BUILT_FROM).write_text(self._program())
        return self.folder / self.binary

    def _is_built(self) -> bool:
        marker = self.folder / BUILT_FROM
        return (self.folder / self.binary).exists() and marker.exists() and marker.read_text() == self._program()

    def _program(self) -> str:
        """What tells one program of ours from another: a hash of its files."""
        files = sorted(path for path in (SOURCES / self.name).rglob("*") if path.is_file())
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def why_absent(self) -> str | None:
        """None when it is built, or can be."""
        missing = [tool for tool in self.needs if shutil.which(tool) is None]
        if self.needs_libclang and not any(Path("/usr/lib").glob("llvm-*/lib/libclang*.so")):
            missing.append("libclang (apt install libclang-dev)")
        if self._is_built() or not missing:
            return None
        return f"{self.name} {self.version} is not built yet, and building it needs {', '.join(missing)}"


def _cargo(native: Native, folder: Path) -> None:
    source = folder / "source"
    shutil.copytree(SOURCES / native.name, source, dirs_exist_ok=True)
    _run(["cargo", "build", "--release", "--target-dir", str(folder / "target")], source)


def _wolfssl(native: Native, folder: Path) -> None:
    """The crate carries the C sources; cargo fetches them, autoconf and make do the rest."""
    if not (folder / "out" / "lib" / "libwolfssl.a").exists():
        _wolfssl_library(native, folder)
    include, library = folder / "out" / "include", folder / "out" / "lib"
    program = [str(SOURCES / "wolfssl" / "main.c"), "-lwolfssl", "-lm", "-lpthread", "-o", str(folder / native.binary)]
    _run(["gcc", "-O1", f"-I{include}", f"-L{library}", *program], folder)


def _crate(native: Native, folder: Path, name: str) -> Path:
    """The folder with what is in a crate, of the native's version."""
    get = folder / "get"
    (get / "src").mkdir(parents=True, exist_ok=True)
    dependency = f'[dependencies]\n{name} = "={native.version}"\n'
    (get / "Cargo.toml").write_text(f'[package]\nname = "get"\nversion = "0.1.0"\nedition = "2021"\n\n{dependency}')
    (get / "src" / "main.rs").write_text("fn main() {}\n")
    _run(["cargo", "vendor"], get)
    return get / "vendor" / name


def _wolfssl_library(native: Native, folder: Path) -> None:
    source = folder / "source"
    crate = _crate(native, folder, "wolfssl-sys")
    shutil.copytree(crate / "wolfssl-src", source, dirs_exist_ok=True, symlinks=True)
    _run(["sh", "./autogen.sh"], source)
    wanted = (
        "dtls dtls13 dtls-frag-ch dtls-mtu srtp keying-material mlkem=yes,all curve25519 supportedcurves opensslextra"
    )
    switches = [f"--enable-{word}" for word in wanted.split()]
    switches += ["--enable-static", "--disable-shared", "--disable-examples", "--disable-crypttests"]
    _run(["sh", "./configure", f"--prefix={folder / 'out'}", *switches, "CFLAGS=-O2 -DHAVE_SECRET_CALLBACK"], source)
    _run(["make", "install"], source)


def _jitsi(native: Native, folder: Path) -> None:
    """Fetches the library and what it stands on, and compiles the program; `java -cp` runs it."""
    source, libraries = SOURCES / native.name, folder / "libraries"
    fetch = [
        "dependency:copy-dependencies",
        f"-Djitsi-utils.version={native.version}",
        f"-DoutputDirectory={libraries}",
    ]
    _run(["mvn", "--batch-mode", "--quiet", "--file", str(source / "pom.xml"), *fetch], folder)
    _run(["javac", "-cp", f"{libraries}/*", "-d", str(folder), str(source / "Main.java")], folder)


def _kafka(native: Native, folder: Path) -> None:
    """Fetches the broker and what it stands on; `java -cp` runs it (tests/peers/kafkabroker.py)."""
    fetch = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-Dkafka.version={native.version}"]
    fetch.append(f"-DoutputDirectory={folder / 'libraries'}")
    _run(["mvn", "--batch-mode", "--quiet", "--file", str(SOURCES / native.name / "pom.xml"), *fetch], folder)


def _mediasoup(native: Native, folder: Path) -> None:
    """Compiles one class of its worker, out of the crate, with stand-ins for what is around it."""
    crate, source = _crate(native, folder, "mediasoup-sys"), SOURCES / native.name
    include = [f"-I{source / 'include'}", f"-I{crate / 'include'}", f"-I{crate / 'src'}"]
    _run(["g++", "-std=c++20", "-O1", *include, str(source / "main.cpp"), "-o", str(folder / native.binary)], folder)


def _versitygw(native: Native, folder: Path) -> None:
    """The gateway alone, with objects as files in a folder (tests/peers/s3server.py runs it)."""
    module = f"github.com/versity/versitygw/cmd/versitygw@v{native.version}"
    _run(["env", f"GOBIN={folder}", "go", "install", module], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}"


NATIVES = {
    native.name: native
    for native in (
        Native("boringssl", "5.4.0", "target/release/boring-dtls13", ("cargo", "cmake", "g++"), _cargo, True),
        Native("dimpl", "0.9.0", "target/release/dimpl-dtls13", ("cargo", "cmake", "gcc"), _cargo),
        Native("jitsi", "1.0-133-g6af1020", "Main.class", ("java", "javac", "mvn"), _jitsi),
        Native("kafka", "4.1.1", "libraries/kafka_2.13-4.1.1.jar", ("java", "mvn"), _kafka),
        Native("mediasoup", "0.24.0", "active-speaker", ("cargo", "g++"), _mediasoup),
        Native("str0m", "0.25.0", "target/release/str0m-person", ("cargo", "cmake", "gcc"), _cargo),
        Native("versitygw", "1.8.0", "versitygw", ("go",), _versitygw),
        Native(
            "wolfssl",
            "5.3.0",
            "wolfssl-dtls13",
            ("cargo", "gcc", "make", "autoconf", "automake", "libtoolize"),
            _wolfssl,
        ),
    )
}


if __name__ == "__main__":
    for each in NATIVES.values():
        print(each.path(), flush=True)
