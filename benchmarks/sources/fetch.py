"""Fetches a package by name with its ordinary client and unpacks it, without installing it.

A package's code is never imported: its data files are read where they lie. Whatever was fetched stays in the work
folder, so a second build needs no network.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path


def wheel(work: Path, name: str, version: str) -> Path:
    """The unpacked wheel of a Python package; its dependencies are not fetched."""

    def fetch(folder: Path) -> None:
        requirement = f"{name}=={version}"
        _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", requirement], folder)
        archive = _only(folder, "*.whl")
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
        archive.unlink()

    return _once(work / f"{name}-{version}", fetch)


def npm(work: Path, name: str, version: str) -> Path:
    """The unpacked tarball of an npm package."""

    def fetch(folder: Path) -> None:
        _run(["npm", "pack", "--silent", f"{name}@{version}"], folder)
        archive = _only(folder, "*.tgz")
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
        archive.unlink()

    return _once(work / f"{name.replace('/', '_')}-{version}", fetch) / "package"


def debian(work: Path, name: str) -> Path:
    """The unpacked Debian package, in the version that this machine's distribution has."""

    def fetch(folder: Path) -> None:
        _run(["apt-get", "download", "--quiet", name], folder)
        archive = _only(folder, "*.deb")
        _run(["dpkg", "-x", archive.name, "."], folder)
        # Kept: the file name is the only place that says which version this was.
        (folder / "VERSION").write_text(archive.name.split("_")[1].replace("%3a", ":") + "\n", encoding="utf-8")
        archive.unlink()

    return _once(work / f"debian-{name}", fetch)


def _once(target: Path, fetch: Callable[[Path], None]) -> Path:
    """Fetches beside the target and renames, so that an interrupted fetch leaves no half folder behind."""
    if target.exists():
        return target
    staged = target.with_name(target.name + ".part")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    fetch(staged)
    staged.replace(target)
    return target


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"expected one {pattern} in {folder}, found {len(found)}")
    return found[0]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
