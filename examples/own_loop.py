"""The cache and a loss inside a plain PyTorch loop of your own: the teacher is asked once, whatever you do afterwards.

python examples/own_loop.py
"""

import torch
import torch.nn.functional as F

from tutelage import TeacherCache, data
from tutelage.data import Data
from tutelage.data.augment import Augment
from tutelage.methods import kd_loss
from tutelage.models import DataSpec, Model, build
from tutelage.teacher.identity import identity

dataset = data.load(Data("digits"))
digits = DataSpec(classes=10, channels=1, size=8, mean=dataset.mean, std=dataset.std)
teacher = build(Model("convnet"), digits)  # your own: Model("resnet56", weights="teacher.safetensors")
student = build(Model("convnet", options={"widths": [4, 8], "hidden": 8}), digits)

augment = Augment(crop_padding=1, flip="none")
cache = TeacherCache("runs/teacher-cache", identity(teacher, "convnet", dataset.train, augment, "fp32", "float16"))
cache.fill(teacher, dataset.train, augment, views=range(4))

optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
for epoch in range(4):
    for sample in torch.randperm(len(dataset.train)).split(64):
        view = torch.full_like(sample, epoch % 4)
        pixels = dataset.train.view(sample, view, augment).pixels
        logits = student(pixels).logits
        soft = kd_loss(logits, cache.answers(sample, view).logits, temperature=4.0)
        loss = 0.9 * soft + 0.1 * F.cross_entropy(logits, dataset.train.labels[sample])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.3f}")
