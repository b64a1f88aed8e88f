"""A finished student on disk: loaded again it says the same, and its card says how to feed it."""

import torch
from safetensors import safe_open

import small
from tutelage import files
from tutelage.models.count import macs, parameters
from tutelage.training.predictions import on_val
from tutelage.training.student import load_student, rebuilt


def test_loaded_again_it_says_what_it_said(finished_run):
    dataset = small.digits()
    network = load_student(finished_run, dataset)
    assert not network.training
    with torch.inference_mode():
        logits = network(dataset.val.plain(torch.arange(len(dataset.val)))).logits
    torch.testing.assert_close(logits, on_val(finished_run, dataset).logits, atol=1e-5, rtol=1e-5)


def test_the_card_says_what_the_network_is(finished_run):
    card, dataset = finished_run.result("card"), small.digits()
    network = load_student(finished_run, dataset)
    assert card["classes"] == list(dataset.classes)
    assert card["input"]["shape"] == [1, 8, 8]
    assert tuple(card["input"]["mean"]) == network.mean
    assert card["parameters"] == parameters(network)
    assert card["macs"] == macs(network, (1, 1, 8, 8))
    assert card["weights_sha256"] == files.file_digest(finished_run.weights)
    assert card["teacher_sizes"]["classes"] == 10


def test_the_weights_name_their_recipe_and_classes(finished_run):
    with safe_open(finished_run.weights, framework="pt") as file:
        said = file.metadata()
        names = set(file.keys())
    assert names == set(load_student(finished_run, small.digits()).network.state_dict())
    assert len(said) == 1, "several entries have no fixed order, and the same weights shall be the same bytes"
    assert files.digest(finished_run.recipe.identity) in next(iter(said.values()))


def test_to_learn_on_it_comes_with_its_adapters(finished_run):
    student, adapters, network = rebuilt(finished_run, small.digits(), to_learn=True)
    assert network is student
    assert list(adapters.parameters()) == []
