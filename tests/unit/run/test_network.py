"""A recipe's network for a data set: built for its images, refused where its classes are others."""

import json
from dataclasses import replace

import pytest
from safetensors.torch import save_file

import small
from tutelage.errors import UserError
from tutelage.models import Model
from tutelage.run.network import build_for, check_order, known_classes

CLASSES = small.digits().classes


@pytest.fixture
def weights(tmp_path):
    """Writes a file of weights that says its classes, in its metadata or in a card beside it."""

    def written(classes=None, card=None):
        path = tmp_path / "net.safetensors"
        said = {} if classes is None else {"classes": classes}
        save_file(small.network().network.state_dict(), path, said)
        if card is not None:
            (tmp_path / "card.json").write_text(json.dumps({"classes": card}))
        return replace(small.TEACHER, weights=str(path))

    return written


def test_it_sees_the_data_sets_images_and_answers_with_its_classes():
    network = build_for(small.STUDENT, small.digits(), 0)
    assert network.sizes().classes == 10
    assert network.mean == pytest.approx(small.digits().mean)
    assert network.size == 8


@pytest.mark.parametrize("how", ["json", "commas", "card"])
def test_a_file_or_its_card_says_its_classes(weights, how):
    names = ("zero", "one")
    said = {"json": {"classes": json.dumps(names)}, "commas": {"classes": "zero, one"}, "card": {"card": names}}
    model = weights(**said[how])
    assert known_classes(model, build_for(model, small.digits(), 0)) == names


def test_a_file_that_says_nothing_is_taken_at_its_word(weights):
    model = weights()
    network = build_for(model, small.digits(), 0)
    assert known_classes(model, network) == ()
    check_order(model, network, small.digits())


def test_the_same_classes_in_another_order_are_refused(weights):
    swapped = (CLASSES[1], CLASSES[0], *CLASSES[2:])
    model = weights(json.dumps(swapped))
    with pytest.raises(UserError, match=f'in another order: class 0 is "{CLASSES[1]}" to it and "{CLASSES[0]}"'):
        check_order(model, build_for(model, small.digits(), 0), small.digits())


def test_a_network_that_cannot_see_such_images_is_refused(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n"
        "def narrow(classes, channels):\n    return nn.Sequential(nn.Flatten(), nn.Linear(7, classes))\n\n"
        "def stubborn(classes, channels):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    with pytest.raises(UserError, match="fails on images of 1 x 8 x 8"):
        build_for(Model(f"{tmp_path / 'net.py'}:narrow"), small.digits(), 0)
    with pytest.raises(UserError, match="answers with 3 classes, digits has 10"):
        build_for(Model(f"{tmp_path / 'net.py'}:stubborn"), small.digits(), 0)


def test_a_runs_folder_stands_for_its_weights(finished_run):
    network = build_for(replace(small.STUDENT, weights=str(finished_run.path)), small.digits(), 0)
    assert network.metadata["data"] == "digits"
