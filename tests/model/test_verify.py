import json
import shutil

import numpy as np
import torch

from acclimate.model.pooling import Pooling
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify
from tiny import tiny_encoder


def test_a_saved_model_with_prompts_passes_in_both_readers(tmp_path):
    encoder = tiny_encoder(
        pooling=Pooling(("mean",), include_prompt=False), prompts={"query": "question: ", "document": "text: "}
    )
    save_encoder(encoder, tmp_path / "model")
    report = verify(tmp_path / "model", encoder)
    assert report.passed, report
    read = {(comparison.reader, comparison.role) for comparison in report.comparisons}
    readers = ("acclimate", "sentence_transformers")
    assert read == {(reader, role) for reader in readers for role in ("query", "document")}
    assert json.loads(json.dumps(report.as_dict()))["passed"] is True


def test_other_weights_than_those_in_memory_do_not_pass(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    encoder = load_encoder(folder)
    with torch.no_grad():
        encoder.token_embedding().weight.mul_(1.5)
    report = verify(folder, encoder, readers=("acclimate",))
    assert not report.passed
    assert len(report.comparisons) == 2
    assert all(comparison.min_cosine < 0.99999 for comparison in report.comparisons)
    assert all(np.isfinite(comparison.max_difference) for comparison in report.comparisons)


def test_a_reader_that_fails_is_told_and_one_that_is_missing_is_named(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    encoder = load_encoder(folder)
    (folder / "modules.json").write_text("[]")
    report = verify(folder, encoder, readers=("acclimate", "not_installed"))
    assert not report.passed
    assert "Transformer, Pooling" in report.problems[0]
    assert report.skipped == ("not_installed",)
