"""Linear heads that tell labels from embeddings, in ``heads/NAME`` beside the modules of a model's folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from acclimate.core.errors import DataError, Place
from acclimate.core.files import write_json
from acclimate.model.layout import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FOLDER = "heads"


@dataclass(frozen=True, slots=True)
class Head:
    """A linear head.

    Attributes:
        labels: C names.
        weight: float32 [C, D].
        bias: float32 [C].
    """

    labels: tuple[str, ...]
    weight: "NDArray[np.float32]"
    bias: "NDArray[np.float32]"

    def predict(self, vectors: "NDArray[np.float32]") -> list[str]:
        """The label of each of the vectors [N, D] with the highest logit."""
        return [self.labels[row] for row in (vectors @ self.weight.T + self.bias).argmax(axis=1)]


def write_heads(heads: "Mapping[str, Head]", folder: Path) -> None:
    """Writes heads into a model's folder."""
    for name, head in heads.items():
        (folder / FOLDER / name).mkdir(parents=True)
        write_json(folder / FOLDER / name / "config.json", {"kind": "linear", "labels": list(head.labels)})
        save_file({"weight": head.weight, "bias": head.bias}, folder / FOLDER / name / "model.safetensors")


def read_heads(folder: Path) -> dict[str, Head]:
    """The heads in a model's folder by name, often none.

    Raises:
        DataError: a head that cannot be read.
    """
    found = {}
    for path in sorted((folder / FOLDER).glob("*/config.json")):
        try:
            labels, tensors = tuple(read_json(path)["labels"]), load_file(path.with_name("model.safetensors"))
            head = Head(labels, tensors["weight"], tensors["bias"])
            if not len(labels) == len(head.weight) == len(head.bias):
                raise ValueError("labels and weights differ in number")
        except (KeyError, TypeError, ValueError, SafetensorError, OSError) as error:
            raise DataError(f"the head cannot be read: {error}", "save the model again", Place(path)) from error
        found[path.parent.name] = head
    return found
