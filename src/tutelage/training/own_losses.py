"""Tries the losses of a user's own method on made-up answers: mistakes in them show before a teacher is paid."""

import torch
from torch import Tensor, nn

from tutelage.errors import UserError
from tutelage.methods.combine import checked
from tutelage.methods.finding import method_words
from tutelage.outputs import GRID, Context, Outputs, Rotations, Sizes
from tutelage.run.recipe import Recipe

IMAGES = 8
"""Of the batch that is made up, at most."""


def try_losses(recipe: Recipe, student: Sizes, teacher: Sizes, adapters: nn.Module) -> None:
    """Asks a recipe's method for its terms; where they need the student's gradient, for that they have one.

    Args:
        recipe: Whose method is looked at; one of ours alone is not.
        student: The student's shapes.
        teacher: The teacher's shapes; no classes where there is none.
        adapters: What the method made for the two.

    Raises:
        UserError: the terms are not what training takes.
    """
    method = recipe.method
    if ":" not in method_words(method):
        return
    views = 2 if recipe.second_view else 1
    images = min(recipe.fit.batch_size, IMAGES)
    sample = torch.arange(images).repeat(views)
    labels = sample % student.classes
    context = Context(labels, sample, 0.0, views=views)
    if recipe.augment.mix != "none":
        context = context._replace(partner_labels=labels.flip(0), partner_share=torch.full((len(labels),), 0.3))
    answered = _made_up(student, method.student_needs, len(sample)).mapped(Tensor.requires_grad_)
    terms = checked(method.losses(answered, _made_up(teacher, method.needs, len(sample)), context, adapters), method)
    if not any(term.requires_grad for term in terms.values()):
        raise UserError(
            f"no term of {method_words(method)} depends on what the student answers, so that nothing would be learnt",
            "compute the terms from student.logits: argmax, detach() and item() have no gradient",
        )


def _made_up(sizes: Sizes, needs: frozenset[str], images: int) -> Outputs:
    """Random answers of a network's shapes, as far as a method reads them."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(images, *shape, generator=draw)

    answer, width = Outputs(normal(sizes.classes)), sizes.embedding or 0
    if needs & {"embedding", "rotations"} and sizes.embedding is not None:
        answer = answer._replace(embedding=normal(width))
    if "features" in needs:
        answer = answer._replace(features=tuple(normal(*shape) for shape in sizes.features))
    if "regions" in needs:
        answer = answer._replace(regions=normal(GRID * GRID, sizes.classes))
    if "rotations" in needs:
        answer = answer._replace(rotations=Rotations(normal(3, sizes.classes), normal(3, width)))
    return answer
