"""The cache and a loss with parts of timm: network, optimiser, schedule and averaged weights, as in its train.py.

python examples/in_timm.py
"""

import timm
import torch
import torch.nn.functional as F
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3

from tutelage import Augment, Data, TeacherCache, data
from tutelage.methods import kd_loss
from tutelage.models import DataSpec, Model, build
from tutelage.teacher.identity import identity

VIEWS, EPOCHS = 4, 3
dataset = data.load(Data("digits"))
digits = DataSpec(classes=10, channels=1, size=8, mean=dataset.mean, std=dataset.std)
teacher = build(Model("convnet"), digits)  # your own: Model("resnet56", weights="teacher.safetensors")
student = timm.create_model("test_resnet", num_classes=10, in_chans=1)
augment = Augment(crop_padding=1, flip="none")
cache = TeacherCache("runs/teacher-cache", identity(teacher, "convnet", dataset.train, augment, "fp32", "float16"))
cache.fill(teacher, dataset.train, augment, views=range(VIEWS))

optimizer = create_optimizer_v2(student, opt="adamw", lr=1e-3, weight_decay=0.01)
scheduler, _ = create_scheduler_v2(optimizer, sched="cosine", num_epochs=EPOCHS)
average = ModelEmaV3(student, decay=0.9)
for epoch in range(EPOCHS):
    student.train()
    for sample in torch.randperm(len(dataset.train)).split(64):
        view = torch.full_like(sample, epoch % VIEWS)
        logits = student(dataset.train.view(sample, view, augment).pixels)
        soft = kd_loss(logits, cache.answers(sample, view).logits, temperature=4.0)
        loss = 0.9 * soft + 0.1 * F.cross_entropy(logits, dataset.train.labels[sample])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(student)
    scheduler.step(epoch + 1)
    print(f"epoch {epoch}: loss {loss.item():.3f}")
