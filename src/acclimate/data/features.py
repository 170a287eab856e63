"""The feature store: every distinct text of a run tokenized once, kept in a memory-mapped file.

Folder layout: ``ids.bin`` (int32, all texts' token ids one after another), ``offsets.npy`` (int64 [F + 1]),
``prompts.npy`` (int32 [F], leading prompt tokens), ``queries.npy`` (bool [F]), ``store.json`` (the key that says what
it was made of).
"""

import json
import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from acclimate.core.files import replace_folder, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: (texts, role) -> token ids of each text, prompt and special tokens included.
Tokenize = Callable[[Sequence[str], str], Sequence[Sequence[int]]]

_CHUNK = 20_000  # texts tokenized at a time: bounds the memory of their Python lists


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """Token ids of texts by number. Reading a batch touches the pages of that batch alone."""

    ids: "NDArray[np.int32]"
    offsets: "NDArray[np.int64]"
    prompt_lengths: "NDArray[np.int32]"
    queries: "NDArray[np.bool_]"

    def __len__(self) -> int:
        return len(self.prompt_lengths)

    @property
    def lengths(self) -> "NDArray[np.int64]":
        """Tokens of each text [F]."""
        return np.diff(self.offsets)

    def take(
        self, features: "NDArray[np.int64]"
    ) -> tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]:
        """Token ids one after another [T], lengths [U] and prompt lengths [U] of some texts."""
        first = self.offsets[features]
        lengths = self.offsets[features + 1] - first
        before = np.cumsum(lengths) - lengths
        ids = self.ids[np.repeat(first - before, lengths) + np.arange(lengths.sum())].astype(np.int64)
        self._leave()
        return ids, lengths, self.prompt_lengths[features].astype(np.int64)

    def _leave(self) -> None:
        """Gives the pages that were read back to the system's cache: an epoch would make all of them this process's."""
        pages: object = self.ids.base
        if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            pages.madvise(mmap.MADV_DONTNEED)


def build_store(
    folder: Path,
    texts: Sequence[str],
    roles: Sequence[str],
    tokenize: Tokenize,
    prompt_lengths: dict[str, int],
    key: str,
) -> FeatureStore:
    """Tokenizes texts into a folder, or maps the folder that an earlier, equal call left.

    Args:
        folder: where the store lies.
        texts: distinct (text, role) pairs, with ``roles`` [F].
        roles: the role of each text, which chooses its prompt.
        tokenize: the encoder's tokenizer.
        prompt_lengths: leading tokens of each role that pooling leaves out.
        key: changes when the texts, the tokenizer or the maximum length change.
    """
    marker = folder / "store.json"
    if not (marker.is_file() and json.loads(marker.read_text())["key"] == key):
        _write_store(folder, texts, roles, tokenize, prompt_lengths, key)
    return _map_store(folder)


def _write_store(
    folder: Path,
    texts: Sequence[str],
    roles: Sequence[str],
    tokenize: Tokenize,
    prompt_lengths: dict[str, int],
    key: str,
) -> None:
    staged = folder.with_name(f"{folder.name}.tmp")
    staged.mkdir(parents=True, exist_ok=True)
    lengths = np.zeros(len(texts), dtype=np.int64)
    with (staged / "ids.bin").open("wb") as file:
        for start in range(0, len(texts), _CHUNK):
            end = start + _CHUNK
            for number, ids in _tokenize_chunk(list(texts[start:end]), roles[start:end], tokenize):
                lengths[start + number] = len(ids)
                file.write(ids.tobytes())
    np.save(staged / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), allow_pickle=False)
    leading = np.fromiter((prompt_lengths[role] for role in roles), np.int32, len(roles))
    np.save(staged / "prompts.npy", leading, allow_pickle=False)
    np.save(
        staged / "queries.npy",
        np.fromiter((role == "query" for role in roles), np.bool_, len(roles)),
        allow_pickle=False,
    )
    write_json(staged / "store.json", {"key": key, "texts": len(texts), "tokens": int(lengths.sum())})
    replace_folder(staged, folder)


def _tokenize_chunk(
    texts: Sequence[str], roles: Sequence[str], tokenize: Tokenize
) -> list[tuple[int, "NDArray[np.int32]"]]:
    """Token ids of a chunk in its order, each role tokenized in one call."""
    found: dict[int, NDArray[np.int32]] = {}
    for role in sorted(set(roles)):
        chosen = [n for n, other in enumerate(roles) if other == role]
        ids = tokenize([texts[n] for n in chosen], role)
        found.update((n, np.asarray(i, dtype=np.int32)) for n, i in zip(chosen, ids, strict=True))
    return sorted(found.items())


def _map_store(folder: Path) -> FeatureStore:
    offsets = np.load(folder / "offsets.npy", allow_pickle=False)
    empty = np.zeros(0, dtype=np.int32)  # an empty file cannot be mapped
    ids = np.memmap(folder / "ids.bin", dtype=np.int32, mode="r", shape=(int(offsets[-1]),)) if offsets[-1] else empty
    prompts, queries = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("prompts", "queries"))
    return FeatureStore(ids, offsets, prompts, queries)
