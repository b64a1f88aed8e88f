"""The teacher's answers on disk: the right row for every address, the same bytes whoever fills, damage never used."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from small import AUGMENT, TEACHER, digits, network, same_tensors, taught, workspace
from tutelage import files
from tutelage.data.memory import MemoryImages
from tutelage.errors import Damaged, UserError
from tutelage.methods.kd import KD
from tutelage.methods.srrl import SRRL
from tutelage.models import DataSpec, Model
from tutelage.models.building import build
from tutelage.run.optim import Fit
from tutelage.run.process import Process
from tutelage.teacher import asking, cachefiles
from tutelage.teacher import cache as caching
from tutelage.teacher.answer import Ensemble, LiveTeacher
from tutelage.teacher.cache import TeacherCache
from tutelage.teacher.cached import CachedTeacher
from tutelage.teacher.cachefiles import caches
from tutelage.teacher.identity import identity
from tutelage.teacher.lessons import Member, open_cache
from tutelage.teacher.shards import Shard, load, write
from tutelage.training.loop import train

SHARD = 512
"""Three shards a view of the 1,294 digits, the last one short."""
VIEWS = (0, 1, 2)
FIELDS = ("logits", "embedding")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(cachefiles, "SHARD", SHARD)


def manifest(storage="float16", **changes):
    settings = {"network": network(), "name": "convnet", "images": digits().train, "augment": AUGMENT}
    return identity(**settings | {"precision": "fp32", "storage": storage} | changes)


def filled(root: Path, *, storage="float16", views=VIEWS, fields=FIELDS, **how) -> TeacherCache:
    cache = TeacherCache(root, manifest(storage))
    cache.fill(network(), digits().train, AUGMENT, views, fields, **how)
    return cache


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A cache filled in one go, float32."""
    before, cachefiles.SHARD = cachefiles.SHARD, SHARD
    try:
        return filled(tmp_path_factory.mktemp("whole"), storage="float32")
    finally:
        cachefiles.SHARD = before


@pytest.fixture(scope="module")
def table():
    """What the teacher says about every address, asked in another batch size than the cache's: [view, sample, ...]."""
    teacher = network()
    sample = torch.arange(len(digits().train))
    rows = []
    for view in VIEWS:
        pixels = digits().train.view(sample, torch.full_like(sample, view), AUGMENT).pixels
        with torch.inference_mode():
            rows.append([teacher(part, frozenset(FIELDS)) for part in pixels.split(100)])
    return {field: torch.stack([torch.cat([getattr(o, field) for o in row]) for row in rows]) for field in FIELDS}


def shards(cache: TeacherCache) -> dict[str, bytes]:
    """Every shard and checksum, by its path."""
    return {str(p.relative_to(cache.folder)): p.read_bytes() for p in sorted(cache.folder.glob("view_*/*"))}


def reopened(cache: TeacherCache) -> TeacherCache:
    """The same folder with nothing mapped yet, as another process sees it."""
    return TeacherCache.open(cache.folder)


# --- the right row for every address

addresses = st.lists(st.tuples(st.integers(0, 1293), st.sampled_from(VIEWS)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(pairs=addresses)
def test_a_row_is_what_the_teacher_says_about_that_address(whole, table, pairs):
    """Any order, repetition, batch size, and mixture of views and shards."""
    sample, view = torch.tensor(pairs).T.contiguous()
    answers = reopened(whole).answers(sample, view, FIELDS)
    for field in FIELDS:
        torch.testing.assert_close(getattr(answers, field), table[field][view, sample], rtol=0, atol=2e-6)


@settings(deadline=None, max_examples=60)
@given(pairs=addresses, data=st.data())
def test_the_same_address_gives_the_same_bits_in_any_batch(whole, pairs, data):
    sample, view = torch.tensor(pairs).T.contiguous()
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=60)))
    together, part = whole.answers(sample, view), whole.answers(sample[chosen], view[chosen])
    assert torch.equal(together.logits[chosen], part.logits)


def _read_in_another_process(folder, sample, view, told):
    torch.set_num_threads(1)
    cachefiles.SHARD = SHARD
    answers = TeacherCache.open(folder).answers(sample, view, FIELDS)
    told.put((answers.logits.numpy(), answers.embedding.numpy()))


def test_another_process_reads_the_same_rows(whole):
    sample, view = torch.randperm(1294)[:200], torch.arange(200) % 3
    fork = multiprocessing.get_context("fork")
    told = fork.SimpleQueue()
    child = fork.Process(target=_read_in_another_process, args=(whole.folder, sample, view, told))
    child.start()
    logits, embedding = told.get()
    child.join()
    mine = whole.answers(sample, view, FIELDS)
    np.testing.assert_array_equal(logits, mine.logits)
    np.testing.assert_array_equal(embedding, mine.embedding)


def test_half_precision_is_the_rounded_single_precision(tmp_path, whole):
    half = filled(tmp_path, views=(1,), fields=("logits",))
    sample = torch.arange(1294)
    rows = [c.answers(sample, torch.ones_like(sample)).logits for c in (half, whole)]
    assert torch.equal(rows[0], rows[1].half().float())
    assert rows[0].dtype == torch.float32


# --- the same bytes whoever fills, and however often it was interrupted


def test_parts_in_any_order_equal_one_go(tmp_path):
    whole, parts = filled(tmp_path / "whole"), TeacherCache(tmp_path / "parts", manifest())
    for views, fields in (((2,), ("embedding",)), ((0, 2), ("logits",)), (VIEWS, FIELDS), (VIEWS, FIELDS)):
        parts.fill(network(), digits().train, AUGMENT, views, fields)
    assert shards(parts) == shards(whole)
    assert len(shards(whole)) == 3 * 3 * 2 * 2


@pytest.mark.parametrize("world", [2, 4, 20])
def test_ranks_together_equal_one_process_whoever_is_faster(tmp_path, world):
    """One after the other is the extreme case: the later ones find files of the earlier ones.

    Fails where a rank takes every world-th of what is missing *now*.
    """
    whole, parts = filled(tmp_path / "whole"), TeacherCache(tmp_path / "parts", manifest())
    ranks = range(world)
    paid = [parts.fill(network(), digits().train, AUGMENT, VIEWS, FIELDS, Process(rank=r, world=world)) for r in ranks]
    assert shards(parts) == shards(whole)
    assert sum(paid) == 3 * 1294


def test_what_is_there_is_never_asked_again(tmp_path, monkeypatch):
    cache = filled(tmp_path)
    monkeypatch.setattr(asking, "answers", None)
    assert cache.fill(network(), digits().train, AUGMENT, VIEWS, FIELDS) == 0


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code may catch it."""


@pytest.mark.parametrize("moment", range(12))
def test_a_fill_interrupted_at_any_rename_goes_on_to_the_same_bytes(tmp_path, monkeypatch, moment):
    whole, broken = filled(tmp_path / "whole"), TeacherCache(tmp_path / "broken", manifest())
    renames, replace = [], Path.replace

    def dying(path, target):
        if len(renames) == moment:
            raise Killed
        renames.append(target)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying)
        with pytest.raises(Killed):
            broken.fill(network(), digits().train, AUGMENT, VIEWS, FIELDS)
    # The first rename is the head's; then each shard's checksum before the shard.
    assert reopened(broken).files.check() == max(moment - 1, 0) // 2
    broken.fill(network(), digits().train, AUGMENT, VIEWS, FIELDS)
    assert shards(broken) == shards(whole)


def _fill_in_another_process(root, views):
    torch.set_num_threads(1)
    cachefiles.SHARD = SHARD
    filled(root, views=views)


def test_two_writers_at_once_and_a_reader_meanwhile(tmp_path, whole):
    """Whatever the reader can open is right; in the end every file is as one writer alone would have written it."""
    views = tuple(range(6))
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_fill_in_another_process, args=(tmp_path / "race", views)) for _ in range(2)]
    for writer in writers:
        writer.start()
    race, sample, seen = TeacherCache(tmp_path / "race", manifest()), torch.arange(1294), 0
    while any(writer.is_alive() for writer in writers):
        reader = reopened(race)
        for view in set(reader.files.views()) & set(VIEWS):
            number = torch.full_like(sample, view)
            assert torch.equal(
                reader.answers(sample, number).logits, whole.answers(sample, number).logits.half().float()
            )
            seen += 1
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert shards(race) == shards(filled(tmp_path / "alone", views=views))
    assert race.files.check() == 6 * 3 * 2


def _fill_or_die(root: Path, at: int, begin, told) -> None:
    """Fills; dies at the writing of its `at`-th file, where that is not 0, in the middle of a block."""
    written, write = [], caching.shards.write

    def watched(*arguments):
        written.append(arguments)
        if len(written) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        write(*arguments)

    caching.shards.write = watched
    torch.set_num_threads(1)
    begin.wait()
    told.put(TeacherCache(root, manifest()).fill(network(), digits().train, AUGMENT, range(6), FIELDS))


def test_four_who_fill_pay_every_block_once_though_one_is_killed(tmp_path):
    fork = multiprocessing.get_context("fork")
    told, begin = fork.SimpleQueue(), fork.Barrier(4)
    TeacherCache(tmp_path / "four", manifest())
    fillers = [fork.Process(target=_fill_or_die, args=(tmp_path / "four", at, begin, told)) for at in (0, 0, 0, 2)]
    for filler in fillers:
        filler.start()
    for filler in fillers:
        filler.join()
    assert [filler.exitcode for filler in fillers] == [0, 0, 0, -signal.SIGKILL]
    paid = [told.get() for _ in range(3)]
    assert sum(paid) == 6 * 1294, "the block that the dead one has begun is paid again, no other"
    assert all(paid)
    four = TeacherCache(tmp_path / "four", manifest())
    assert shards(four) == shards(filled(tmp_path / "alone", views=range(6)))
    assert not list(tmp_path.rglob("*.lock"))


def test_of_two_answers_to_one_address_the_first_stands(tmp_path):
    """Two writers whose kernels differ in the last bit: a shard never changes, and its checksum is its own."""
    shard = Shard("logits", 0, 0)
    for rows in (np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)):
        write(tmp_path, shard, rows)
    assert not load(tmp_path / shard.path).any()


def test_no_other_process_writes_between_checksum_and_shard(tmp_path, monkeypatch):
    free, appearing = [], files.appearing

    def watched(path):
        with files.locked(tmp_path / "lock") as alone:
            free.append(alone)
        return appearing(path)

    monkeypatch.setattr(files, "appearing", watched)
    write(tmp_path, Shard("logits", 0, 0), np.zeros((2, 3), np.float32))
    assert free == [False, False]


# --- damage is detected, never used


def damaged(cache, how):
    path = cache.folder / "view_0001" / "logits_00000512.npy"
    if how == "one bit":
        content = bytearray(path.read_bytes())
        content[-3] ^= 0x10
        path.write_bytes(content)
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "no checksum":
        path.with_suffix(".sha256").unlink()
    elif how == "another shard":
        shutil.copy(cache.folder / "view_0002" / "logits_00000512.npy", path)
    elif how == "two shards with their checksums":
        for ending in (".npy", ".sha256"):
            one, other = (cache.folder / f"view_000{view}" / f"logits_00000512{ending}" for view in (1, 2))
            first, second = one.read_bytes(), other.read_bytes()
            one.write_bytes(second), other.write_bytes(first)
    return path


@pytest.mark.parametrize(
    "how", ["one bit", "cut short", "empty", "no checksum", "another shard", "two shards with their checksums"]
)
def test_a_damaged_file_is_named_and_filled_again(tmp_path, how):
    cache = filled(tmp_path)
    good = shards(cache)
    path = damaged(cache, how)
    sample = torch.tensor([600])
    with pytest.raises(UserError) as told:
        reopened(cache).answers(sample, torch.tensor([1]))
    assert str(path) in told.value.message
    with pytest.raises(UserError):
        reopened(cache).files.check()
    assert len(reopened(cache).answers(sample, torch.tensor([0])).logits) == 1
    reopened(cache).fill(network(), digits().train, AUGMENT, VIEWS, FIELDS)
    assert shards(cache) == good
    assert reopened(cache).files.missing(VIEWS, FIELDS) == []


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_flipped_bit_is_detected(tmp_path_factory, whole, data):
    """Of 3 shards, two fields and their checksums."""
    folder = tmp_path_factory.mktemp("bits") / whole.folder.name
    shutil.copytree(whole.folder, folder, ignore=shutil.ignore_patterns("view_0001", "view_0002"))
    cache = TeacherCache.open(folder)
    path = data.draw(st.sampled_from(sorted(cache.folder.glob("view_*/*"))))
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 9))  # not the newline behind a checksum
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        reopened(cache).files.check()


def test_a_row_that_was_never_filled_is_an_error(tmp_path):
    cache = filled(tmp_path, views=(0,), fields=("logits",))
    with pytest.raises(UserError, match=r"view_0003/logits_00000000\.npy"):
        cache.answers(torch.tensor([0]), torch.tensor([3]))
    with pytest.raises(UserError, match="embedding"):
        cache.answers(torch.tensor([0]), torch.tensor([0]), FIELDS)


@pytest.mark.parametrize("change", ["another weight", "not JSON"])
def test_a_damaged_manifest_is_named_and_written_again_by_whom_knows_it(tmp_path, change):
    cache = filled(tmp_path, views=(0,))
    path = cache.folder / "manifest.json"
    told = json.loads(path.read_text())
    told["teacher"]["weights"] = "0" * 64
    path.write_text(json.dumps(told) if change == "another weight" else path.read_text()[:100])
    with pytest.raises(Damaged, match="manifest"):
        TeacherCache.open(cache.folder)
    assert caches(tmp_path) == []
    assert [p.name for p in tmp_path.iterdir()] == [cache.folder.name]
    assert TeacherCache(tmp_path, manifest()).folder == cache.folder
    assert TeacherCache.open(cache.folder).manifest == manifest()


def test_a_folder_without_a_cache_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no teacher cache"):
        TeacherCache.open(tmp_path)


# --- what an answer depends on, and what not


def other_images():
    train = digits().train
    images = train.images.clone()
    images[7, 0, 3, 3] += 1
    return MemoryImages(images, train.labels)


def with_options(**options):
    dataset = digits()
    settings = {"mean": dataset.mean, "std": dataset.std} | options
    return build(TEACHER, DataSpec(10, 1, 8, **settings))


OTHERS = {
    "weights": lambda: {"network": network(seed=1)},
    "normalisation": lambda: {"network": with_options(mean=(0.5,))},
    "input size": lambda: {"network": build(dataclasses.replace(TEACHER, size=16),
                                            DataSpec(10, 1, 8, digits().mean, digits().std))},
    "pixels": lambda: {"images": other_images()},
    "a part of the images": lambda: {"images": digits(part=500).train},
    "order": lambda: {"images": MemoryImages(digits().train.images.flip(0), digits().train.labels.flip(0))},
    "precision": lambda: {"precision": "bf16"},
    "storage": lambda: {"storage": "float32"},
    **{
        f"augment.{name}": lambda name=name, value=value: {"augment": dataclasses.replace(AUGMENT, **{name: value})}
        for name, value in (
            ("seed", 1), ("crop_padding", 2), ("padding", "zero"), ("flip", "random"), ("cutout", 2), ("mix", "mixup"),
            ("mix_alpha", 0.5), ("crop_scale", 0.5), ("jitter", 0.2), ("trivial", True), ("erasing", 0.5),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_another_folder_for_anything_an_answer_depends_on(tmp_path, what):
    assert TeacherCache(tmp_path, manifest(**OTHERS[what]())).folder != TeacherCache(tmp_path, manifest()).folder


def test_every_field_of_augment_is_tried():
    """A field added later cannot be forgotten above."""
    assert {f"augment.{f.name}" for f in dataclasses.fields(AUGMENT)} <= OTHERS.keys()


def test_one_folder_for_any_student_method_seed_order_batch_or_number_of_views(tmp_path):
    recipe = taught(tmp_path)
    others = [
        dataclasses.replace(recipe, student=Model("resnet8")),
        dataclasses.replace(recipe, method=KD(temperature=1.0, alpha=0.5)),
        dataclasses.replace(recipe, method=SRRL()),
        dataclasses.replace(recipe, seed=5),
        dataclasses.replace(recipe, views=7),
        dataclasses.replace(recipe, fit=Fit(epochs=9, batch_size=31, optimizer="adam")),
        dataclasses.replace(recipe, tune="head"),
    ]
    member = Member(recipe.teacher, recipe.teacher.model, network())
    opened = {open_cache(r, member, digits(), workspace(tmp_path)).folder for r in (recipe, *others)}
    assert len(opened) == 1
    assert len(caches(tmp_path / "teacher-cache")) == 1


# --- sizes, drift, NaN, the head


@pytest.mark.parametrize("done", [(), ((0, FIELDS),), ((1, ("logits",)), (2, ("embedding",))), ((0, ("logits",)),) * 2])
def test_what_is_said_to_be_missing_is_what_is_then_written(tmp_path, done):
    """To the byte: the sum of the new files less their headers."""
    cache = TeacherCache(tmp_path, manifest())
    for view, fields in done:
        cache.fill(network(), digits().train, AUGMENT, [view], fields)
    was = set(shards(cache))
    missing = [shard.path for shard in cache.files.missing(VIEWS, FIELDS)]
    said = cache.bytes_needed(VIEWS, {"logits": 10, "embedding": 16})
    cache.fill(network(), digits().train, AUGMENT, VIEWS, FIELDS)
    new = [path for path in shards(cache) if path.endswith(".npy") and path not in was]
    assert sorted(missing) == sorted(new)
    assert said == sum(np.load(cache.folder / path).nbytes for path in new)
    assert cache.files.missing(VIEWS, FIELDS) == []


def test_answers_of_other_weights_in_the_same_folder_are_refused(tmp_path, whole):
    assert whole.verify(network(), digits().train, AUGMENT) < 1e-6
    half = filled(tmp_path, fields=("logits",))
    assert 0 < half.verify(network(), digits().train, AUGMENT) < 6e-4
    drifted = network()
    with torch.no_grad():
        drifted.network.get_parameter("fc2.weight").mul_(1.01)
    with pytest.raises(UserError, match="differ from the teacher's"):
        half.verify(drifted, digits().train, AUGMENT)
    with pytest.raises(UserError, match="differ from the teacher's"):
        half.verify(network(), other_labels_and_pixels(), AUGMENT)


def other_labels_and_pixels():
    return MemoryImages(digits().train.images.flip(0), digits().train.labels)


def test_a_teacher_that_answers_nan_now_is_refused(tmp_path):
    cache, broken = filled(tmp_path, fields=("logits",)), network()
    with torch.no_grad():
        broken.network.get_parameter("fc2.bias")[3] = torch.nan
    with pytest.raises(UserError, match="differ"):
        cache.verify(broken, digits().train, AUGMENT)


def test_a_teacher_whose_logits_are_all_zero_agrees_with_itself(tmp_path):
    silent = network()
    with torch.no_grad():
        for name in ("fc2.weight", "fc2.bias"):
            silent.network.get_parameter(name).zero_()
    cache = TeacherCache(tmp_path, manifest(network=silent))
    cache.fill(silent, digits().train, AUGMENT, (0,))
    assert cache.verify(silent, digits().train, AUGMENT) == 0


@pytest.mark.parametrize(("value", "storage"), [(torch.nan, "float32"), (1e5, "float16"), (torch.inf, "float32")])
def test_answers_that_are_not_finite_are_not_stored(tmp_path, value, storage):
    broken = network()
    with torch.no_grad():
        broken.network.get_parameter("fc2.bias")[3] = value
    cache = TeacherCache(tmp_path, manifest(storage))
    with pytest.raises(UserError, match="not finite"):
        cache.fill(broken, digits().train, AUGMENT, (0,))
    assert shards(cache) == {}


def test_the_head_is_stored_and_turns_embeddings_into_logits(tmp_path, whole):
    head = whole.head
    sample = torch.arange(100)
    answers = whole.answers(sample, torch.zeros_like(sample), FIELDS)
    computed = answers.embedding @ head.weight.T + head.bias
    torch.testing.assert_close(computed, answers.logits, rtol=1e-5, atol=1e-5)


def test_uses_are_remembered_once_a_run(tmp_path):
    cache = TeacherCache(tmp_path, manifest())
    for run in ("one", "two", "one"):
        cache.files.used(run, 100)
    assert cache.files.uses() == [{"run": "one", "images": 100}, {"run": "two", "images": 100}]


def test_filling_leaves_no_temporary_file_and_no_gradient(tmp_path):
    teacher = network().train()
    cache = TeacherCache(tmp_path, manifest())
    cache.fill(teacher, digits().train, AUGMENT, (0,))
    assert not [p for p in cache.folder.rglob("*") if p.name.startswith(".")]
    assert not any(module.training for module in teacher.modules())
    assert cache.files.size_bytes == sum(os.path.getsize(p) for p in cache.folder.rglob("*") if p.is_file())


# --- the same student from the cache as from the teacher itself

STEPS_50 = Fit(epochs=5, batch_size=128, learning_rate=0.05)


def final(tmp_path, **how):
    run = train(taught(tmp_path, fit=STEPS_50, **how), workspace(tmp_path / "runs"))
    return load_file(run.weights)


def test_a_student_of_the_cache_is_the_student_of_the_live_teacher(tmp_path):
    """float16 answers: within 1e-3 after 50 steps; float32 answers: the same bits.

    Equal bits need a teacher whose answer to an image does not depend on how many are asked at once. Its convolutions
    and matrix products have that property here from a batch of a few images on; where a machine's have not, the first
    assertion says so.
    """
    recipe = taught(tmp_path)
    cache = TeacherCache(tmp_path, manifest("float32"))
    cache.fill(network(), digits().train, AUGMENT, (0,))
    sample = torch.randperm(1294)[: recipe.fit.batch_size]
    view = torch.zeros_like(sample)
    pixels = digits().train.view(sample, view, AUGMENT).pixels
    live = LiveTeacher(network(), frozenset()).answer(pixels, sample, view)
    assert torch.equal(CachedTeacher(cache, ()).answer(pixels, sample, view).logits, live.logits), (
        "this machine's kernels"
    )

    live, half, single = (final(tmp_path, **how) for how in ({"live": True}, {}, {"storage": "float32"}))
    assert same_tensors(single, live)
    assert not same_tensors(half, live)
    assert max((half[name] - live[name]).abs().max() for name in live) < 1e-3


def test_an_ensemble_of_caches_answers_like_one_of_networks(tmp_path, whole):
    other = network(seed=1)
    second = TeacherCache(tmp_path, manifest("float32", network=other))
    second.fill(other, digits().train, AUGMENT, (0,))
    sample = torch.arange(64)
    view = torch.zeros_like(sample)
    pixels = digits().train.view(sample, view, AUGMENT).pixels
    cached = Ensemble([CachedTeacher(whole, ()), CachedTeacher(second, ())], 4.0)
    live = Ensemble([LiveTeacher(network(), frozenset()), LiveTeacher(other, frozenset())], 4.0)
    torch.testing.assert_close(cached.answer(pixels, sample, view), live.answer(pixels, sample, view))


def test_the_digest_of_a_cache_is_that_of_its_manifest(tmp_path):
    cache = TeacherCache(tmp_path, manifest())
    assert cache.folder.name == f"v1-{files.digest(json.loads((cache.folder / 'manifest.json').read_text()))[:16]}"


def test_answers_in_8_bits_take_half_the_room_and_say_what_they_lose(tmp_path, capsys):
    full = filled(tmp_path / "full", storage="float32", fields=("logits",))
    small_ = filled(tmp_path / "small", storage="int8", fields=("logits",))
    assert "answers in 8 bits: KL to full ones " in capsys.readouterr().err
    sample = torch.arange(40)
    view = torch.full_like(sample, VIEWS[0])
    exact, near = (cache.answers(sample, view).logits for cache in (full, small_))
    step = (exact.amax(1) - exact.amin(1)) / 255
    assert ((near - exact).abs() <= 0.51 * step[:, None] + 1e-5).all()
    assert not torch.equal(near, exact)


def test_rows_that_are_expected_are_asked_for_at_their_places(tmp_path, monkeypatch):
    from tutelage.teacher import shards

    cache, asked = filled(tmp_path, fields=("logits",)), []
    monkeypatch.setattr(shards, "LARGE", 0)
    monkeypatch.setattr(shards, "_beside", lambda: SimpleNamespace(submit=lambda work, wanted: asked.extend(wanted)))
    sample = torch.tensor([7, 0, 33])
    cache.expect(sample, torch.full_like(sample, VIEWS[0]), ("logits",))
    rows = cache.rows("logits", sample, torch.full_like(sample, VIEWS[0]))
    read = [np.frombuffer(os.pread(*(file, length, begin)), np.float16) for file, begin, length in asked]
    assert torch.equal(torch.from_numpy(np.stack(read)).float(), rows)
    asked.clear()
    monkeypatch.setattr(shards, "LARGE", 1 << 28)
    cache.expect(sample, torch.full_like(sample, VIEWS[0]), ("logits",))
    assert not asked, "a small view is in memory anyway"
