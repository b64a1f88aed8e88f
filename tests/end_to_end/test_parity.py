"""The loop equals about ten lines of raw PyTorch, weight for weight and bit for bit."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from small import AUGMENT, NORMED, STUDENT, TEACHER, digits, network, same_tensors, taught, workspace
from tutelage import rng
from tutelage.methods.kd import KD
from tutelage.run.optim import Fit
from tutelage.training.loop import train

T, ALPHA, PEAK, EPOCHS, BATCH, PER_EPOCH = 3.0, 0.7, 0.05, 3, 128, 10
RECIPE = Fit(epochs=EPOCHS, batch_size=BATCH, learning_rate=PEAK, schedule="constant", warm_up=0.0)
OPTIMIZERS = {
    "sgd": (RECIPE, lambda groups: torch.optim.SGD(groups, lr=PEAK, momentum=0.9, nesterov=True)),
    "adamw": (dataclasses.replace(RECIPE, optimizer="adamw"), lambda groups: torch.optim.AdamW(groups, lr=PEAK)),
}


@pytest.mark.parametrize("model", [STUDENT, NORMED], ids=lambda model: model.name)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_loop_is_raw_pytorch(tmp_path, kind, model):
    """Fails for the teacher's term without T^2, a mean over classes, a new optimiser each epoch, another order ..."""
    fit, make = OPTIMIZERS[kind]
    recipe = taught(tmp_path, live=True, fit=fit, student=model, method=KD(temperature=T, alpha=ALPHA), views=2)
    trained = load_file(train(recipe, workspace(tmp_path / "runs")).weights)

    student, teacher = network(model, seed=0).train(), network(TEACHER)
    teacher.network.load_state_dict(load_file(tmp_path / "teacher.safetensors"))
    student.to(memory_format=torch.channels_last)
    matrices = [p for p in student.parameters() if p.ndim > 1]
    vectors = [p for p in student.parameters() if p.ndim == 1]
    optimizer = make([{"params": matrices, "weight_decay": 5e-4}, {"params": vectors, "weight_decay": 0.0}])
    for step in range(EPOCHS * PER_EPOCH):
        epoch, start = step // PER_EPOCH, step % PER_EPOCH * BATCH
        sample = rng.permutation(0, epoch, len(digits().train))[start : start + BATCH]
        view = torch.full_like(sample, (epoch + rng.integer(0, "first view")) % 2)
        pixels = digits().train.view(sample, view, AUGMENT).pixels
        logits, labels = student(pixels).logits, digits().train.labels[sample]
        with torch.no_grad():
            log_p = F.log_softmax(teacher(pixels).logits / T, dim=1)
        kd = nn.KLDivLoss(reduction="batchmean", log_target=True)(F.log_softmax(logits / T, dim=1), log_p) * T**2
        loss = (1 - ALPHA) * F.cross_entropy(logits, labels) + ALPHA * kd
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert same_tensors(trained, student.network.state_dict())
