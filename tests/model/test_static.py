"""Static models: equal to sentence-transformers on the same files and to the definition, and saved whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from acclimate.core.errors import DataError, UsageError
from acclimate.core.files import write_json
from acclimate.methods import METHODS
from acclimate.model.distilled import distilled, principal, rank_weights
from acclimate.model.static import StaticEncoder
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.tokens import Tokens
from tiny import tiny_encoder, tiny_tokenizer

TEXTS = ["the heart of the dog", "", "unheardof naïve 量子 №7", "market " * 40, "a"]


def three_words() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"one": 0, "two": 1, "three": 2, "?": 3}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def static(seed: int = 0, width: int = 16, **options: object) -> StaticEncoder:
    tokenizer = tiny_tokenizer().backend_tokenizer
    table = torch.randn(tokenizer.get_vocab_size(), width, generator=torch.Generator().manual_seed(seed))
    return StaticEncoder(table, Tokenizer.from_str(tokenizer.to_str()), **options).eval()  # type: ignore[arg-type]


def theirs(folder: Path, role: str = "document") -> np.ndarray:
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(folder), device="cpu")
    encode = model.encode_query if role == "query" else model.encode_document
    return np.asarray(encode(TEXTS, normalize_embeddings=True, show_progress_bar=False))


def test_a_text_is_the_mean_of_its_tokens() -> None:
    table = torch.tensor([[3.0, 0.0], [0.0, 4.0], [1.0, 1.0], [0.0, 0.0]])
    vectors = StaticEncoder(table, three_words()).encode(["one two", "one one two", "", "nothing"])
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [6 / 52**0.5, 4 / 52**0.5], [0, 0], [0, 0]], atol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"max_length": 5}, {"prompts": {"query": "find the "}}, {"truncate_dim": 8}], ids=str
)
def test_sentence_transformers_reads_what_is_saved(options: dict[str, object], tmp_path: Path) -> None:
    encoder = static(**options)
    save_encoder(encoder, tmp_path / "model")  # type: ignore[arg-type]
    again = load_encoder(tmp_path / "model")
    for role in ("query", "document"):
        expected = encoder.encode(TEXTS, role)
        np.testing.assert_array_equal(again.encode(TEXTS, role), expected)
        np.testing.assert_allclose(theirs(tmp_path / "model", role), expected, atol=1e-6)
    # model2vec takes the table alone, so it may only find it where that is all.
    assert (tmp_path / "model" / "config.json").is_file() == (set(options) <= {"max_length"})


def test_what_sentence_transformers_saves_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    encoder = static()
    module = StaticEmbedding(encoder.tokenizer, embedding_weights=encoder.table.weight.detach().numpy())
    library.SentenceTransformer(modules=[module, Normalize()], device="cpu").save(str(tmp_path / "model"))
    assert "embedding.weight" in load_file(tmp_path / "model" / "model.safetensors")
    np.testing.assert_allclose(load_encoder(tmp_path / "model").encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize("modules", [False, True])
def test_a_row_of_model2vec_is_mapped_and_weighted(modules: bool, tmp_path: Path) -> None:
    tensors = {
        "embeddings": torch.tensor([[2.0, 0.0], [0.0, 2.0]], dtype=torch.float16),
        "mapping": torch.tensor([1, 0, 1, 0], dtype=torch.int32),
        "weights": torch.tensor([0.5, 1.0, 2.0, 0.0], dtype=torch.float64),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    three_words().save(str(tmp_path / "tokenizer.json"))
    write_json(tmp_path / "config.json", {"model_type": "model2vec", "architectures": ["StaticModel"]})
    if modules:
        kind = "sentence_transformers.models.StaticEmbedding"
        write_json(tmp_path / "modules.json", [{"idx": 0, "name": "0", "path": ".", "type": kind}])
    encoder = load_encoder(tmp_path)
    assert encoder.token_embedding().weight.tolist() == [[0, 1], [2, 0], [0, 4], [0, 0]]
    assert not encoder.normalize


def test_files_that_do_not_belong_together_are_told(tmp_path: Path) -> None:
    save_encoder(static(), tmp_path / "model")  # type: ignore[arg-type]
    place = tmp_path / "model" / "model.safetensors"
    table = load_file(place)["embeddings"]
    for wrong, words in (
        ({"embeddings": table[:100]}, "the table 100 rows"),
        ({"embeddings": table, "weights": torch.ones(3)}, "do not fit the table"),
        ({"embeddings": table * float("nan")}, "NaN"),
    ):
        save_file(wrong, place)
        with pytest.raises(DataError, match=words):
            load_encoder(tmp_path / "model")


def test_gradients_are_those_of_means_by_hand() -> None:
    encoder = static()
    tokens = Tokens.of(encoder.tokenize(TEXTS, None))
    encoder(tokens).square().sum(1)[0].backward()
    ours, encoder.table.weight.grad = encoder.table.weight.grad, None
    means = [encoder.table.weight[ids].mean(0) for ids in encoder.tokenize(TEXTS[:1], None)]
    torch.nn.functional.normalize(means[0], dim=0).square().sum().backward()
    torch.testing.assert_close(ours.to_dense(), encoder.table.weight.grad)


TRAINS = ("full", "embedding_table", "residual")


@pytest.mark.parametrize("kind", TRAINS)
def test_a_method_that_needs_no_layers_trains_a_table(kind: str) -> None:
    encoder = static()
    groups = METHODS.parse(kind).apply(encoder)  # type: ignore[arg-type]
    opened = {name for group in groups for name in group.parameters}
    assert opened
    assert opened == {name for name, p in encoder.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("kind", sorted({*METHODS} - {*TRAINS}))
def test_any_other_says_why_not(kind: str) -> None:
    with pytest.raises(UsageError, match=r"has no layers; take --method full, embedding_table or residual"):
        METHODS.parse(kind).apply(static())  # type: ignore[arg-type]


def test_a_distilled_row_is_the_token_read_alone() -> None:
    encoder = tiny_encoder()
    made = distilled(encoder, encoder.dimension)
    vocabulary = encoder.tokenizer.get_vocab()
    special = set(encoder.tokenizer.all_special_ids)
    said = [token for token in range(len(vocabulary)) if token not in special]
    before, after = (vocabulary[mark] for mark in ("[CLS]", "[SEP]"))
    alone = encoder(Tokens.of([[before, token, after] for token in said])).detach().numpy()
    rows = made.table.weight.detach().numpy()
    assert not rows[sorted(special)].any()
    centered = alone - alone.mean(0)
    weighted = centered * rank_weights(len(said))[:, None]
    np.testing.assert_allclose(rows[said] @ rows[said].T, weighted @ weighted.T, atol=1e-5)  # axes turn, nothing else
    with pytest.raises(UsageError, match="a table already"):
        distilled(made)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="33 dimensions"):
        distilled(encoder, encoder.dimension + 1)


def test_axes_and_weights() -> None:
    line = np.outer([-2.0, 0.0, 3.0], [3.0, 4.0]).astype(np.float32) + np.float32(7)
    np.testing.assert_allclose(principal(line, 1)[:, 0], np.array([-7, -1, 8]) * 5 / 3, atol=1e-5)
    share = np.array([1 / 2, 1 / 3]) / (1 / 2 + 1 / 3)
    np.testing.assert_allclose(rank_weights(2), 1e-4 / (1e-4 + share))
