"""What the built-in recipes say, where the numbers are somebody's: the popular tutorial's, and the network's."""

import pytest

from tutelage.methods import KD
from tutelage.run.builtin import recipes


def test_the_tutorials_numbers():
    # https://docs.pytorch.org/tutorials/beginner/knowledge_distillation_tutorial.html: Adam at 1e-3, alpha 0.5
    chosen = recipes.tutorial()
    assert chosen.method == KD(temperature=1.0, alpha=0.5)
    assert (chosen.fit.optimizer, chosen.fit.learning_rate, chosen.fit.batch_size) == ("adam", 1e-3, 64)
    assert (chosen.fit.schedule, chosen.fit.warm_up, chosen.fit.weight_decay) == ("constant", 0.0, 0.0)


def test_person_detection_is_mlperf_tinys_network_and_size():
    chosen = recipes.visual_wake_words()
    assert (chosen.student.name, chosen.student.options, chosen.data.size) == ("mobilenet_v1", {"width": 0.25}, 96)


def test_the_articles_views_are_the_images_themselves():
    chosen = recipes.article()
    assert chosen.views == 1
    assert (chosen.augment.crop_padding, chosen.augment.flip) == (0, "none")
    assert (chosen.student.size, chosen.teacher.model.size) == (224, 224)
    assert recipes.article_fast().student.size == 0


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist", "mlperf_tiny"])
def test_what_is_trained_first_says_for_how_long(name):
    chosen = getattr(recipes, name)()
    assert chosen.teacher.tune == "full"
    assert chosen.teacher.fit.epochs >= 20
