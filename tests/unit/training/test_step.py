"""One training step: a pure function of the weights, the step's number and its views."""

import copy

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

import small
from tutelage.methods import KD, Baseline
from tutelage.outputs import Context, Outputs
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit, optimizer
from tutelage.run.plan import Plan
from tutelage.run.recipe import Recipe
from tutelage.teacher.answer import NoTeacher, Teacher
from tutelage.training import loop
from tutelage.training.distiller import Distiller
from tutelage.training.step import Step


class Told(Teacher):
    """Notes what it was asked, and answers with zeros."""

    def __init__(self):
        self.asked = []

    def answer(self, pixels, sample, view):
        self.asked.append((sample.tolist(), view.tolist()))
        return Outputs(torch.zeros(len(sample), 10))

    def expect(self, sample, view):
        pass


class Random(Teacher):
    def answer(self, pixels, sample, view):
        return Outputs(torch.randn(len(sample), 10, generator=torch.Generator().manual_seed(0)))

    def expect(self, sample, view):
        pass


def made(method=None, teacher=None, fabric=None, **fit):
    """A step, and the distiller it moves."""
    fit = Fit(**{"epochs": 2, "batch_size": 16, "learning_rate": 0.1, "warm_up": 0.0} | fit)
    recipe = Recipe(student=small.STUDENT, method=Baseline(), augment=small.AUGMENT, fit=fit, views=2)
    distiller = Distiller(small.network(small.STUDENT), method or Baseline(), torch.nn.Identity()).train()
    fabric = fabric or Engine(device="cpu").fabric()
    module, of_weights = fabric.setup(distiller, optimizer(fit, distiller))
    plan = Plan.of(recipe, len(small.digits().train))
    return Step(
        fabric, recipe, plan, small.digits().train.labels, teacher or NoTeacher(), module, of_weights
    ), distiller


def views(take_step, step):
    return small.digits().train.view(*take_step.plan.addresses(step, 0, 1), small.AUGMENT)


def weights(distiller):
    return {name: p.detach().clone() for name, p in distiller.named_parameters()}


def test_it_is_ten_lines_of_raw_torch():
    take_step, distiller = made(weight_decay=0.0, momentum=0.0)
    alone = copy.deepcopy(distiller.student)
    terms = take_step(3, views(take_step, 3))
    sample, _ = take_step.plan.addresses(3, 0, 1)
    logits = alone(views(take_step, 3).pixels).logits
    loss = torch.nn.functional.cross_entropy(logits, small.digits().train.labels[sample])
    assert terms["label"].item() == pytest.approx(loss.item(), rel=1e-5)
    loss.backward()
    rate = take_step.plan.learning_rate(3)
    for (name, moved), before in zip(distiller.student.named_parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(moved, before - rate * before.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_nothing_of_it_depends_on_what_happened_before():
    first, one = made(momentum=0.0)
    other, two = made(momentum=0.0)
    other.optimizer.param_groups[0]["lr"] = 99.0
    torch.manual_seed(12345)
    first(5, views(first, 5))
    other(5, views(other, 5))
    assert small.same_tensors(weights(one), weights(two))


def test_the_teacher_is_asked_about_the_steps_addresses():
    teacher = Told()
    take_step, _ = made(KD(), teacher)
    terms = take_step(4, views(take_step, 4))
    sample, view = take_step.plan.addresses(4, 0, 1)
    assert teacher.asked == [(sample.tolist(), view.tolist())]
    assert set(terms) == {"label", "teacher"}


def test_gradients_are_clipped_where_the_recipe_says_so():
    moved = []
    for clip in (0.0, 1e-3):
        take_step, distiller = made(clip_norm=clip, weight_decay=0.0, momentum=0.0)
        before = weights(distiller)
        take_step(0, views(take_step, 0))
        moved.append(sum((before[n] - w).square().sum() for n, w in weights(distiller).items()).sqrt().item())
    rate = take_step.plan.learning_rate(0)
    assert moved[0] > 10 * moved[1]
    assert moved[1] == pytest.approx(rate * 1e-3, rel=0.02)


def test_gradients_do_not_add_up_over_steps():
    """The second step leaves the gradients that it leaves where it is the first one after the same weights."""
    (one, first), (two, second) = (made(momentum=0.0, weight_decay=0.0) for _ in range(2))
    one(0, views(one, 0))
    second.load_state_dict(first.state_dict())
    one(1, views(one, 1))
    two(1, views(two, 1))
    for mine, fresh in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, fresh.grad)


def test_a_method_hears_labels_samples_and_the_epoch(monkeypatch):
    take_step, _ = made()
    heard = []
    losses = Baseline.losses
    monkeypatch.setattr(
        Baseline, "losses", lambda self, s, t, context, a: heard.append(context) or losses(self, s, t, context, a)
    )
    step = take_step.plan.steps_per_epoch // 2
    take_step(step, views(take_step, step))
    (context,) = heard
    assert isinstance(context, Context)
    assert context.epoch == pytest.approx(step / take_step.plan.steps_per_epoch)
    assert torch.equal(context.labels, small.digits().train.labels[context.sample])
    assert context.partner_labels is None


@pytest.mark.parametrize("parts", [2, 8])
def test_a_batch_in_parts_is_the_whole_batch(parts):
    (one, whole), (other, accumulated) = (made(KD(), Random(), accumulate=n, clip_norm=0.5) for n in (1, parts))
    for step in range(4):
        terms = [take_step(step, views(take_step, step)) for take_step in (one, other)]
        for name in terms[0]:
            assert terms[0][name].item() == pytest.approx(terms[1][name].item(), rel=1e-5)
    for mine, its in zip(whole.parameters(), accumulated.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-5)


def test_each_part_is_computed_alone(monkeypatch):
    sizes = []
    losses = KD.losses
    monkeypatch.setattr(KD, "losses", lambda *given: sizes.append(len(given[3].labels)) or losses(*given))
    take_step, _ = made(KD(), Random(), accumulate=4)
    take_step(0, views(take_step, 0))
    assert sizes == [4, 4, 4, 4]


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_step_whose_gradients_overflow_in_fp16_is_skipped(clip):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    precision = MixedPrecision("16-mixed", device="cpu", scaler=scaler)
    take_step, distiller = made(fabric=Fabric(accelerator="cpu", devices=1, plugins=[precision]), clip_norm=clip)
    before = weights(distiller)
    take_step(0, views(take_step, 0))
    assert small.same_tensors(weights(distiller), before)
    assert scaler.get_scale() == 2.0**126
    scaler.update(1.0)
    take_step(1, views(take_step, 1))
    assert not small.same_tensors(weights(distiller), before)


def test_a_step_keeps_the_gradients_of_the_labels_and_of_all_else_apart():
    take_step, distiller = made(KD(), Random(), optimizer="dot")
    seen = views(take_step, 0)
    sample, _ = take_step.plan.addresses(0)
    twin = copy.deepcopy(distiller)
    take_step(0, seen)
    labels = small.digits().train.labels[sample]
    terms = twin(seen.pixels, Random().answer(None, sample, None), Context(labels, sample, 0.0))
    own = torch.autograd.grad(terms["label"], list(twin.parameters()), retain_graph=True)
    theirs = torch.autograd.grad(terms["teacher"], list(twin.parameters()))
    taught_by = take_step.optimizer.optimizer.taught
    for p, g, h in zip(distiller.parameters(), own, theirs, strict=True):
        torch.testing.assert_close(p.grad, g)
        torch.testing.assert_close(taught_by[p], h)


def test_every_step_but_the_first_is_expected_once_and_before_it_is_taken():
    happened = []

    class Noting(Told):
        def answer(self, pixels, sample, view):
            happened.append(("now", sample.tolist(), view.tolist()))
            return super().answer(pixels, sample, view)

        def expect(self, sample, view):
            happened.append(("soon", sample.tolist(), view.tolist()))

    take_step, _ = made(teacher=Noting(), epochs=4, batch_size=100)
    assert take_step.plan.steps > loop.AHEAD + 2
    list(loop.steps_taken(take_step, small.digits().train, 0, "training"))
    now = [of[1:] for of in happened if of[0] == "now"]
    soon = [of[1:] for of in happened if of[0] == "soon"]
    assert len(now) == take_step.plan.steps
    assert soon == now[1:]
    assert all(happened.index(("soon", *of)) < happened.index(("now", *of)) for of in now[1:])
