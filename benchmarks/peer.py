"""The peer: sentence-transformers' own trainer, as its documentation shows it."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers


class Peer:
    """A model in sentence-transformers."""

    def __init__(self, folder: Path) -> None:
        self.model = SentenceTransformer(str(folder))

    def only_top(self, layers: int) -> None:
        """Freezes all but the top layers of a BERT, as its users do by hand."""
        backbone = self.model[0].auto_model
        backbone.requires_grad_(requires_grad=False)
        for layer in backbone.encoder.layer[-layers:]:
            layer.requires_grad_(requires_grad=True)

    def with_lora(self, rank: int) -> None:
        """Trains low-rank changes of all linear layers, through its own call to the peft library."""
        from peft import LoraConfig

        settings = {"r": rank, "lora_alpha": 2 * rank, "target_modules": "all-linear", "lora_dropout": 0.1}
        self.model.add_adapter(LoraConfig(task_type="FEATURE_EXTRACTION", **settings))

    def without_dropout(self) -> None:
        """Sets every dropout to 0."""
        for module in self.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0

    def train(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        rate: float,
        seed: int,
        epochs: float,
        bf16: bool = False,
        batch_size: int = 64,
    ) -> float:
        """Trains on (query, document) pairs and returns the seconds of the training loop, tokenizing left out.

        Multiple negatives ranking loss, batches without duplicates, a tenth of the steps to warm up; all else is the
        default: fp32, dropout as in the model, linear decay, no weight decay.
        """
        queries, documents = zip(*pairs, strict=True)
        data = Dataset.from_dict({"anchor": list(queries), "positive": list(documents)})
        with tempfile.TemporaryDirectory() as folder:
            arguments = SentenceTransformerTrainingArguments(
                output_dir=folder,
                num_train_epochs=epochs,
                per_device_train_batch_size=batch_size,
                bf16=bf16,
                use_cpu=not torch.cuda.is_available(),  # without it, bf16 is refused on the CPU
                batch_sampler=BatchSamplers.NO_DUPLICATES,
                learning_rate=rate,
                warmup_steps=0.1,  # a share of all steps, formerly warmup_ratio
                seed=seed,
                dataloader_pin_memory=torch.cuda.is_available(),
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
            )
            loss = MultipleNegativesRankingLoss(self.model)
            trainer = SentenceTransformerTrainer(model=self.model, args=arguments, train_dataset=data, loss=loss)
            tokenizing = _timed(trainer.data_collator)
            started = time.perf_counter()
            trainer.train()
            return time.perf_counter() - started - sum(tokenizing)

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Unit vectors [N, D] in float32, with the model's prompt for the role."""
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        vectors = encode(list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)


def _timed(collator: Any) -> list[float]:
    """The seconds of each call of a collator, which tokenizes; filled while it works."""
    seconds: list[float] = []
    plain = type(collator).__call__

    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        batch = plain(self, *arguments, **named)
        seconds.append(time.perf_counter() - started)
        return batch

    collator.__class__ = type("Timed", (type(collator),), {"__call__": call})  # Python looks calls up in the class
    return seconds
