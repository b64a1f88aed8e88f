"""The cache and a loss in a Lightning module: batches are sample numbers, and the epoch says which view is shown.

python examples/in_lightning.py        needs: pip install lightning
"""

import lightning
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from tutelage import Augment, Data, TeacherCache, data
from tutelage.methods import kd_loss
from tutelage.models import DataSpec, Model, build
from tutelage.teacher.identity import identity

VIEWS = 4
dataset = data.load(Data("digits"))
digits = DataSpec(classes=10, channels=1, size=8, mean=dataset.mean, std=dataset.std)
teacher = build(Model("convnet"), digits)  # your own: Model("resnet56", weights="teacher.safetensors")
augment = Augment(crop_padding=1, flip="none")
cache = TeacherCache("runs/teacher-cache", identity(teacher, "convnet", dataset.train, augment, "fp32", "float16"))
cache.fill(teacher, dataset.train, augment, views=range(VIEWS))


class Taught(lightning.LightningModule):
    """A student that learns from stored answers."""

    def __init__(self):
        super().__init__()
        self.student = build(Model("convnet", options={"widths": [4, 8], "hidden": 8}), digits)

    def training_step(self, sample, _):
        """Sees the pictures of these samples' views, and reads the teacher's answers to exactly them."""
        sample, view = sample.cpu(), torch.full(sample.shape, self.current_epoch % VIEWS)
        logits = self.student(dataset.train.view(sample, view, augment).pixels.to(self.device)).logits
        soft = kd_loss(logits, cache.answers(sample, view).logits.to(self.device), temperature=4.0)
        loss = 0.9 * soft + 0.1 * F.cross_entropy(logits, dataset.train.labels[sample].to(self.device))
        self.log("loss", loss, on_epoch=True, on_step=False)
        return loss

    def configure_optimizers(self):
        """As in any Lightning module."""
        return torch.optim.Adam(self.student.parameters(), lr=1e-3)


loader = DataLoader(torch.arange(len(dataset.train)), batch_size=64, shuffle=True)
trainer = lightning.Trainer(
    max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
)
trainer.fit(Taught(), loader)
print(f"loss {trainer.callback_metrics['loss']:.3f} after {trainer.current_epoch} epochs")
