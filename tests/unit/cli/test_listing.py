"""Lists: what `--filter` finds of other libraries, with sizes from elsewhere."""

import pytest

import small
from tutelage import files
from tutelage.cli import listing
from tutelage.errors import UserError


def rows(capsys, text):
    listing.list_(["models", "--filter", text])
    return capsys.readouterr().out.splitlines()


def test_a_filter_finds_the_networks_of_timm_and_torchvision_with_their_sizes(capsys):
    """ResNet-18 has 11,689,512 parameters and 1.81 G multiply-adds (torchvision's table of weights)."""
    ours_and_others = rows(capsys, "resnet18")
    found = {line.split()[0]: line.split() for line in ours_and_others}
    for name in ("timm:resnet18", "torchvision:resnet18"):
        assert found[name][1:] == ["11.69", "M", "1814.07", "M", "(224", "px)", "layer1,layer2,layer3,layer4"]
    assert ours_and_others[0].startswith("model")


def test_ours_come_first_and_the_rest_is_counted(capsys, monkeypatch):
    monkeypatch.setattr(listing, "MOST", 1)
    told = rows(capsys, "shufflenet")
    assert [line.split()[0] for line in told[1:4]] == [
        "shufflenet_v1",
        "shufflenet_v2",
        "torchvision:shufflenet_v2_x0_5",
    ]
    assert told[-1] == "and 3 more of timm and torchvision: a longer --filter shows them"


def test_what_was_found_is_kept_and_a_damaged_file_of_it_is_made_anew(capsys, monkeypatch):
    before = {*files.cache_folder().glob("networks-*")}
    found = rows(capsys, "mobilenet_v3_small")
    (kept,) = {*files.cache_folder().glob("networks-*")} - before
    with monkeypatch.context() as patched:
        patched.setattr("tutelage.models.sizes.matching", lambda text: pytest.fail("looked again"))
        assert rows(capsys, "MobileNet_V3_Small") == found
    kept.write_text("[[")
    assert rows(capsys, "mobilenet_v3_small") == found


def test_a_network_that_cannot_be_built_without_memory_is_listed_all_the_same(capsys):
    (_, line) = rows(capsys, "torchvision:regnet_x_400mf")
    assert line.split()[:3] == ["torchvision:regnet_x_400mf", "?", "?"]


@pytest.mark.parametrize("kind", ["methods", "datasets", "recipes"])
def test_a_filter_of_other_lists_looks_at_these_alone(kind, capsys):
    listing.list_([kind, "--filter", "resnet18"])
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_folder_s_recipe_says_why_its_numbers_are_what_they_are(tmp_path, capsys):
    import tomllib

    listing.recipe_([str(small.photos(tmp_path / "colours"))])
    told = capsys.readouterr().out
    assert told.startswith("# 43 training images of 3 classes")
    plain = tomllib.loads(told)
    assert (plain["student"]["weights"], plain["norms"]) == ("pretrained", "frozen")


@pytest.mark.parametrize("kind", ["methods", "datasets", "recipes"])
def test_a_filter_that_finds_nothing_says_so(kind, capsys):
    listing.list_([kind, "--filter", "a*b"])
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err == "no line contains a*b: --filter takes a part of a line, as it is\n"


@pytest.mark.parametrize("words", ["methods --size 3", "models --classes 10", "models --size 0"])
def test_a_size_without_a_budget_is_refused(words):
    with pytest.raises(UserError, match="has no meaning without --fit-in"):
        listing.list_(words.split())


@pytest.mark.parametrize("name", ["kd+at", "kd,at", "kd, at"])
def test_several_methods_are_explained_one_after_the_other(name, capsys):
    listing.explain_([name])
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("## ")] == ["## kd", "## at"]


def test_a_name_that_is_none_is_not_explained():
    for name in ("kd+", ",", "+"):
        with pytest.raises(UserError, match="the name of a method is empty"):
            listing.explain_([name])
    with pytest.raises(UserError, match='unknown method "kdd"'):
        listing.explain_(["kdd+at"])
