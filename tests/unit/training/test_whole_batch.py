"""What two processes compute with their shares of a batch, against what one computes with the whole."""

import multiprocessing

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from tutelage.outputs import Context, Outputs
from tutelage.training.whole_batch import gathered, normalised_by_all, sharing


def in_two(folder, function, *given):
    """What a function of a rank says in each of two processes: tensors by name."""
    fork = multiprocessing.get_context("fork")

    def work(rank):
        torch.set_num_threads(1)
        dist.init_process_group("gloo", init_method=f"file://{folder}/met", rank=rank, world_size=2)
        save_file({name: t.contiguous() for name, t in function(rank, *given).items()}, folder / f"{rank}")
        dist.destroy_process_group()

    workers = [fork.Process(target=work, args=(rank,)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    return [load_file(folder / f"{rank}") for rank in range(2)]


def normed(x, affine, scope):
    """One training pass of batch norm and its gradients; `x` of leaves."""
    x = x.clone().requires_grad_()
    weight, bias = (part.clone().requires_grad_() for part in affine)
    mean, var = torch.zeros(3), torch.ones(3)
    with scope:
        y = F.batch_norm(x, mean, var, weight, bias, training=True, momentum=0.25)
    loss = (y * torch.linspace(-1, 2, x[0].numel()).view(x[0].shape) + y.square() * x.detach()).mean()
    loss.backward()
    return {"y": y.detach(), "x": x.grad, "weight": weight.grad, "bias": bias.grad, "mean": mean, "var": var}


AFFINE = (torch.tensor([1.0, 2.0, -0.5]), torch.tensor([0.1, 0.0, 3.0]))


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4, 5)])
def test_batch_norm_is_that_of_the_whole_batch(shape, tmp_path):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 2
    whole = normed(x, AFFINE, normalised_by_all())
    shares = in_two(tmp_path, lambda rank: normed(x[rank::2], AFFINE, normalised_by_all()))
    for rank, share in enumerate(shares):
        torch.testing.assert_close(share["y"], whole["y"][rank::2])
        torch.testing.assert_close(share["x"], 2 * whole["x"][rank::2], msg="of the sum of both losses, not their mean")
        torch.testing.assert_close(share["mean"], whole["mean"])
        torch.testing.assert_close(share["var"], whole["var"])
    for part in ("weight", "bias"):
        torch.testing.assert_close((shares[0][part] + shares[1][part]) / 2, whole[part])


def pairs(student, teacher, labels):
    """A loss that compares samples, and depends on their order."""
    weights = torch.arange(1.0, 1 + len(student.logits))
    return ((student.logits @ student.logits.T - teacher.logits @ teacher.logits.T) @ weights * labels).square().mean()


def gathered_share(rank, logits, target, labels):
    logits = logits[rank::2].clone().requires_grad_()
    context = Context(labels[rank::2], torch.arange(6)[rank::2], 0.5)
    teacher = Outputs(target[rank::2], features=(target[rank::2].new_empty(3, 0),))
    student, teacher, context = gathered(Outputs(logits), teacher, context)
    assert (context.epoch, context.partner_labels) == (0.5, None)
    assert teacher.features[0].shape == (6, 0)
    loss = pairs(student, teacher, context.labels)
    loss.backward()
    return {"loss": loss.detach(), "gradient": logits.grad, "sample": context.sample}


def test_a_gathered_batch_is_the_whole_in_its_order(tmp_path):
    generator = torch.Generator().manual_seed(1)
    logits, target = torch.randn(6, 4, generator=generator), torch.randn(6, 4, generator=generator)
    labels = torch.arange(6)
    leaf = logits.clone().requires_grad_()
    whole = pairs(Outputs(leaf), Outputs(target), labels)
    whole.backward()
    for rank, share in enumerate(in_two(tmp_path, gathered_share, logits, target, labels)):
        torch.testing.assert_close(share["loss"], whole.detach())
        assert share["sample"].tolist() == list(range(6))
        torch.testing.assert_close(share["gradient"], 2 * leaf.grad[rank::2], msg="DDP takes the mean over processes")


def test_alone_nothing_is_gathered_or_changed():
    assert not sharing()
    logits = torch.zeros(2, 2)
    (outputs,) = gathered(Outputs(logits))
    assert outputs.logits is logits
