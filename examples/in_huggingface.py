"""The cache and a loss in Hugging Face's Trainer: rows are sample numbers, and the epoch says which view is shown.

python examples/in_huggingface.py        needs: pip install 'transformers[torch]'
"""

import torch
import torch.nn.functional as F
from transformers import Trainer, TrainingArguments

from tutelage import Augment, Data, TeacherCache, data
from tutelage.methods import kd_loss
from tutelage.models import DataSpec, Model, build
from tutelage.teacher.identity import identity

VIEWS = 4
dataset = data.load(Data("digits"))
digits = DataSpec(classes=10, channels=1, size=8, mean=dataset.mean, std=dataset.std)
teacher = build(Model("convnet"), digits)  # your own: Model("resnet56", weights="teacher.safetensors")
student = build(Model("convnet", options={"widths": [4, 8], "hidden": 8}), digits)
augment = Augment(crop_padding=1, flip="none")
cache = TeacherCache("runs/teacher-cache", identity(teacher, "convnet", dataset.train, augment, "fp32", "float16"))
cache.fill(teacher, dataset.train, augment, views=range(VIEWS))


class Taught(Trainer):
    """A Trainer whose student learns from stored answers."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Sees the pictures of these samples' views, and reads the teacher's answers to exactly them."""
        sample = inputs["sample"].cpu()
        view = torch.full_like(sample, int(self.state.epoch or 0) % VIEWS)
        device = inputs["sample"].device
        logits = model(dataset.train.view(sample, view, augment).pixels.to(device)).logits
        soft = kd_loss(logits, cache.answers(sample, view).logits.to(device), temperature=4.0)
        loss = 0.9 * soft + 0.1 * F.cross_entropy(logits, dataset.train.labels[sample].to(device))
        return (loss, {"logits": logits}) if return_outputs else loss


trainer = Taught(
    model=student,
    args=TrainingArguments(
        "runs/trainer",
        num_train_epochs=3,
        per_device_train_batch_size=64,
        learning_rate=1e-3,
        remove_unused_columns=False,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    ),
    train_dataset=[{"sample": sample} for sample in range(len(dataset.train))],
)
print(f"loss {trainer.train().training_loss:.3f}")
