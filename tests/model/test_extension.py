"""What no standard module can say: saved beside the backbone, read again, and refused by everybody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import Parameter

from acclimate.core.errors import DataError, UsageError
from acclimate.model.encoder import Encoder
from acclimate.model.extension import Extension, extend
from acclimate.model.extensions import EXTENSIONS
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify
from tiny import tiny_encoder
from training import GENERAL


class _Gain(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = Parameter(torch.ones(width))

    def after(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output * self.weight


class Gains(Extension):
    """A toy: a gain on the output of the pooling."""

    kind: Literal["toy_gains"] = "toy_gains"
    width: int = 32

    def insert(self, encoder: Encoder) -> None:
        encoder.pooling.gain = _Gain(self.width)
        encoder.pooling.register_forward_hook(encoder.pooling.gain.after)

    def parameters(self, encoder: Encoder) -> dict[str, Parameter]:
        return {"pooling.gain.weight": encoder.pooling.gain.weight}  # type: ignore[union-attr, dict-item]


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    EXTENSIONS.add(Gains)
    yield
    EXTENSIONS.remove("toy_gains")


def extended() -> Encoder:
    encoder = tiny_encoder()
    parameters = extend(encoder, Gains())
    with torch.no_grad():
        parameters["pooling.gain.weight"].copy_(torch.linspace(0.1, 2.0, 32))
    return encoder


def test_a_folder_gives_the_parts_back(tmp_path: Path) -> None:
    encoder = extended()
    save_encoder(encoder, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    assert again.extensions == [Gains()]
    assert (again.encode(GENERAL) == encoder.encode(GENERAL)).all()
    assert abs(again.encode(GENERAL) - tiny_encoder().encode(GENERAL)).max() > 0.01
    save_encoder(again, tmp_path / "model")
    assert (load_encoder(tmp_path / "model").encode(GENERAL) == encoder.encode(GENERAL)).all()
    assert "gain" not in " ".join(load_file(tmp_path / "model" / "model.safetensors"))


def test_sentence_transformers_refuses_the_folder_and_that_is_right(tmp_path: Path) -> None:
    encoder = extended()
    save_encoder(encoder, tmp_path / "model")
    report = verify(tmp_path / "model", encoder, readers=("sentence_transformers",))
    assert (report.refused, report.problems, report.comparisons) == (("sentence_transformers",), (), ())
    assert "sentence_transformers" not in (tmp_path / "model" / "README.md").read_text().split("```")[1]


def test_a_reader_that_leaves_the_parts_out_is_a_problem(tmp_path: Path) -> None:
    encoder = extended()
    save_encoder(tiny_encoder(), tmp_path / "model")
    report = verify(tmp_path / "model", encoder, readers=("sentence_transformers",))
    assert not report.passed
    assert any("has to refuse what it leaves out: toy_gains" in problem for problem in report.problems)


def test_the_same_parts_stay_as_they_were_trained_and_others_of_the_kind_are_refused() -> None:
    encoder = extended()
    assert extend(encoder, Gains())["pooling.gain.weight"][0].item() == pytest.approx(0.1)
    with pytest.raises(UsageError, match="the base has a toy_gains of its own with width=32; train that one"):
        extend(encoder, Gains(width=16))


def test_parts_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    save_encoder(extended(), tmp_path / "model")
    EXTENSIONS.remove("toy_gains")
    with pytest.raises(UsageError, match="parts that cannot be read: unknown extension 'toy_gains'"):
        load_encoder(tmp_path / "model")
    EXTENSIONS.add(Gains)
    weights = next((tmp_path / "model").glob("*_toy_gains/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(DataError, match="the toy_gains cannot be read"):
        load_encoder(tmp_path / "model")
    weights.unlink()
    with pytest.raises(DataError, match="missing"):
        load_encoder(tmp_path / "model")
