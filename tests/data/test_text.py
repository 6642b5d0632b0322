"""Text as data: what a sequence is, what counts, who made it, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from heron_ray.data import Dataset, load_dataset, partition, partition_report
from heron_ray.data.dataset import IGNORED
from heron_ray.data.tokens import END_OF_TEXT
from heron_ray.errors import DataError
from heron_ray.spec.partition import NaturalPartition
from heron_ray.spec.text import E2eNlgData, ProseData, TextData
from tests.conftest import require_refusal

END = 256
PAIRS = [("name[A], food[B]", "A sells B."), ("name[A], food[B]", "B is what A sells."), ("name[C]", "C is here.")]


def text_of(tokens: np.ndarray) -> str:
    return bytes(int(token) for token in tokens if 0 <= token < END).decode(errors="replace")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data with a tokenizer, text files and pairs."""
    monkeypatch.setenv("HERON_DATA_DIR", str(tmp_path))
    (tmp_path / "books").mkdir()
    for name, text in {"train-a": "aaaa bbbb ", "train-b": "cccc dddd eeee ", "test": "ffff gggg "}.items():
        (tmp_path / "books" / f"{name}.txt").write_text(text * 20, encoding="utf-8")
    (tmp_path / "e2e_nlg").mkdir()
    rows = "".join(f'"{meaning}","{reference}"\n' for meaning, reference in PAIRS * 4)
    for name in ("trainset", "testset_w_refs"):
        (tmp_path / "e2e_nlg" / f"{name}.csv").write_text(f"mr,ref\n{rows}", encoding="utf-8")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=270, special_tokens=[END_OF_TEXT], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text for pair in PAIRS for text in pair] * 9, trainer)
    (tmp_path / "bpe").mkdir()
    tokenizer.save(str(tmp_path / "bpe" / "tokenizer.json"))
    return tmp_path


def prose(**fields: object) -> Dataset:
    return load_dataset(ProseData(kind="prose", **fields), 0)  # type: ignore[arg-type]


def test_a_label_is_the_next_token_and_sequences_are_english() -> None:
    dataset = prose(length=48)
    assert dataset.classes == 257
    for split in dataset.splits().values():
        assert np.array_equal(split.x[:, 1:], split.y[:, :-1])
    assert sum(text_of(x.numpy()).count(" the ") for x in dataset.train.x) > 2000


def test_no_topic_of_the_test_split_is_trained_on_and_a_topic_is_who_made_a_sequence() -> None:
    dataset = prose(length=128)
    seen = {bytes(row) for split in (dataset.train, dataset.validation) for row in split.x.numpy().astype(np.uint16)}
    assert not seen & {bytes(row) for row in dataset.test.x.numpy().astype(np.uint16)}
    assert dataset.makers is not None
    shards = partition(NaturalPartition(kind="natural"), dataset.labels, 5, 0, dataset.makers)
    owners = [set(dataset.makers[shard].tolist()) for shard in shards]
    assert sum(map(len, owners)) == len(set.union(*owners)) == int(dataset.makers.max()) + 1
    report = partition_report(shards, dataset.labels, dataset.label_count)
    assert report["samples"] == len(dataset.train)
    assert report["mean_total_variation"] == 0


def test_a_larger_choice_of_sequences_holds_a_smaller_one() -> None:
    few, more = prose(train_samples=20, validation=0.5), prose(train_samples=40, validation=0.5)
    held = {bytes(row.numpy()) for split in (more.train, more.validation) for row in split.x}
    assert {bytes(row.numpy()) for split in (few.train, few.validation) for row in split.x} <= held


def test_only_the_reference_and_its_end_are_to_be_predicted(root: Path) -> None:
    dataset = load_dataset(E2eNlgData(kind="e2e_nlg", length=60), 0)
    told = set()
    for x, y in zip(dataset.test.x.numpy(), dataset.test.y.numpy(), strict=True):
        counted = np.flatnonzero(y != IGNORED)
        assert y[counted[-1]] == END
        assert np.array_equal(y[counted[:-1]], x[counted[:-1] + 1])
        meaning, _, reference = text_of(x).partition(" ||")
        assert text_of(y[counted]) == reference
        told.add((meaning, reference.strip()))
    assert told == set(PAIRS)
    assert dataset.makers is not None
    assert int(dataset.makers.max()) + 1 == 2
    everything = load_dataset(E2eNlgData(kind="e2e_nlg", length=60, targets="all"), 0)
    assert np.array_equal(everything.test.x, dataset.test.x)
    assert bool((everything.test.y[:, 0] == everything.test.x[:, 1]).all())


def test_a_pair_is_cut_off_but_never_to_nothing(root: Path) -> None:
    cut = load_dataset(E2eNlgData(kind="e2e_nlg", length=22), 0)
    assert bool(((cut.test.y != IGNORED).sum(1) >= 1).all())
    with pytest.raises(DataError, match=r"nothing is left to predict.*raise data.length"):
        load_dataset(E2eNlgData(kind="e2e_nlg", length=10), 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [("a,b\n1,2\n", "no columns mr and ref"), ("mr,ref\nx,\n", "line 2 has no mr or no ref"), ("mr,ref\n", "holds no pair")],
)
def test_a_malformed_file_of_pairs_is_named(root: Path, content: str, message: str) -> None:
    (root / "e2e_nlg" / "trainset.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_dataset(E2eNlgData(kind="e2e_nlg"), 0)


def test_text_files_are_documents(root: Path) -> None:
    dataset = load_dataset(TextData(kind="text", path="books", length=16), 0)
    assert dataset.makers is not None
    by_document = [set(text_of(dataset.train.x[dataset.makers == number].numpy().ravel())) for number in (0, 1)]
    assert "a" in by_document[0]
    assert "e" in by_document[1]
    assert "f" not in by_document[0] | by_document[1]
    with pytest.raises(DataError, match=r"make no sequence of data.length=3000"):
        load_dataset(TextData(kind="text", path="books", length=3000), 0)
    with pytest.raises(DataError, match="there is no folder 'papers'"):
        load_dataset(TextData(kind="text", path="papers"), 0)
    with pytest.raises(DataError, match="train_samples=5000"):
        load_dataset(TextData(kind="text", path="books", length=16, train_samples=5000), 0)


def test_a_tokenizer_of_its_own_file_gives_the_same_text_in_fewer_tokens(root: Path) -> None:
    bpe = load_dataset(
        TextData(kind="text", path="e2e_nlg", train="t*.csv", test="t*.csv", length=16, tokenizer="bpe", vocabulary=270), 0
    )
    raw = load_dataset(TextData(kind="text", path="e2e_nlg", train="t*.csv", test="t*.csv", length=16), 0)
    assert bpe.classes == 270
    assert len(bpe.test) < len(raw.test)
    tokenizer = Tokenizer.from_file(str(root / "bpe" / "tokenizer.json"))
    assert "name[" in tokenizer.decode(bpe.train.x[0].tolist() + bpe.train.x[1].tolist() + bpe.train.x[2].tolist())


def test_a_tokenizer_that_does_not_fit_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"has 270 tokens, and the spec says 50,257.*data.vocabulary=270"):
        prose(tokenizer="bpe")
    with pytest.raises(DataError, match="there is no folder 'gpt2'"):
        prose(tokenizer="gpt2")
    with pytest.raises(DataError, match=r"there is no file 'books/tokenizer.json'"):
        prose(tokenizer="books")
    (root / "bpe" / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="is not a tokenizer"):
        prose(tokenizer="bpe")


GPT2 = ["data={kind: prose}", "model={kind: gpt2, preset: tiny}"]
NATURAL = "partition={kind: natural}"


@pytest.mark.parametrize(
    ("overrides", "path", "words"),
    [
        ([*GPT2], "partition.kind", "dirichlet divides samples by their labels.*natural"),
        (
            [
                *GPT2,
                "partition={kind: mixed, parts: [{share: 0.5, partition: {kind: iid}}, "
                "{share: 0.5, partition: {kind: extreme}}]}",
            ],
            "partition.kind",
            "extreme divides samples",
        ),
        ([*GPT2, "partition={kind: feature, transform: {kind: noise}}"], "partition.kind", "made of tokens"),
        (["data={kind: prose}"], "model.kind", "mlp does not read the samples of data.kind=prose"),
        (["model={kind: gpt2, preset: tiny}"], "model.kind", "gpt2 does not read the samples of data.kind=digits"),
        (["data={kind: parquet, path: x}", "model={kind: gpt2, preset: tiny}"], "model.kind", "needs sequences of tokens"),
        ([*GPT2, NATURAL, "data.vocabulary=300"], "data.vocabulary", "300 tokens, but bytes have 257"),
        ([*GPT2, NATURAL, "data.length=513"], "model.preset", "data.length=513 tokens do not fit into 512 positions"),
        ([*GPT2, NATURAL, "model.cut=5"], "model.cut", "beyond the last block: the model has 4"),
        ([*GPT2, NATURAL, "model.cut=3", "model.auxiliary.blocks=2"], "model.auxiliary.blocks", "more than the 1"),
        ([*GPT2, NATURAL, "model.lora={targets: [c_attn, q_proj]}"], "model.lora.targets", "q_proj match no layer.*c_fc"),
        ([*GPT2, NATURAL, "model.lora={rank: 2}", "model.cut=0"], "model.cut", "leaves the client no block"),
        (
            [*GPT2, NATURAL, "model.lora={rank: 2}", "model.cut=4", "model.auxiliary.blocks=0"],
            "model.cut",
            "main server no block",
        ),
        ([*GPT2, NATURAL, "model.preset=null"], "model.preset", "Field required: a size"),
        ([*GPT2, NATURAL, "model.pretrained=x"], "model.preset", "both are given"),
        (
            [*GPT2, NATURAL, "method.kind=fsl_sage", "model.lora={rank: 2}", "model.auxiliary.blocks=0"],
            "model.auxiliary.blocks",
            "no adapter that fsl_sage could align",
        ),
        ([*GPT2, NATURAL, "method.kind=fedgkt"], "method.kind", "keeps the logits of every sample"),
        ([*GPT2, NATURAL, "method.objective=zero_one"], "method.objective", "about classes, not tokens"),
        ([*GPT2, NATURAL, "compute.compile=true"], "compute.compile", "gpt2 is not compiled"),
        ([*GPT2, NATURAL, "attack={kind: label_flip, byzantine: 1}"], "attack.kind", "have none"),
        ([*GPT2, NATURAL, "attack={kind: backdoor, byzantine: 1}"], "attack.kind", "have none"),
    ],
)
def test_what_text_cannot_stand_beside_is_refused_with_the_spec(overrides: list[str], path: str, words: str) -> None:
    require_refusal(overrides, path, words)
