"""On what runs were computed, and in what they differ."""

from tutelage import files, sealed
from tutelage.run.conditions import apart, conditions, in_words
from tutelage.run.engine import Engine
from tutelage.run.folder import Run, environment
from tutelage.run.process import Process


def a_run(folder, name, **changes):
    told = environment(Engine(device="cpu", precision="fp32", threads=1), Process("cpu", 0, 1))
    told["machine"] |= {"threads": 1, "processor": "A CPU", "int8_instructions": ["avx2"]} | changes
    run = Run(folder / name)
    sealed.write_json(run.path / "recipe.json", {}, f"run-{name}/recipe.json")
    run.keep("environment", told)
    return run


def test_an_environment_says_what_bits_depend_on():
    told = conditions(environment(Engine(device="cpu", threads=1), Process("cuda:1", 1, 4)))
    assert (told["device"], told["processes"]) == ("cuda", "4")
    assert {"processor", "threads", "precision", "torch"} <= told.keys()
    assert conditions(environment(Engine(device="cpu")))["device"] == "cpu"


def test_runs_alike_do_not_differ(tmp_path):
    assert apart([a_run(tmp_path, "a"), a_run(tmp_path, "b")]) == []


def test_the_conditions_that_differ_are_named_with_the_runs(tmp_path):
    runs = [
        a_run(tmp_path, "a"),
        a_run(tmp_path, "b", threads=2),
        a_run(tmp_path, "c", threads=2, int8_instructions=[]),
    ]
    assert apart(runs) == [
        {"condition": "instruction sets", "values": ["avx2", "none of note"], "runs": [["a", "b"], ["c"]]},
        {"condition": "threads", "values": ["1", "2"], "runs": [["a"], ["b", "c"]]},
    ]


def test_runs_of_unequally_many_processes_are_warned_of(tmp_path):
    runs = [a_run(tmp_path, "a"), a_run(tmp_path, "b")]
    runs[1].keep("environment", runs[1].result("environment") | {"world": 2})
    (warning,) = in_words(apart(runs))
    assert warning.startswith("warning: not all runs had the same processes: 1 (a), 2 (b); the same recipe gives")


def test_what_a_run_does_not_say_is_no_difference(tmp_path):
    old = Run(tmp_path / "old")
    for name, value in (("recipe", {}), ("environment", {"engine": {"precision": "fp32"}})):
        files.write_json(old.path / f"{name}.json", value)
    assert apart([a_run(tmp_path, "a"), old, Run(tmp_path / "gone")]) == []


def test_a_run_that_went_on_elsewhere_differs_from_itself(tmp_path):
    run = a_run(tmp_path, "a")
    told = run.result("environment")
    run.keep("environment", told | {"earlier": [conditions(told) | {"threads": "8"}]})
    assert apart([run]) == [{"condition": "threads", "values": ["1", "8"], "runs": [["a"], ["a"]]}]


def test_a_damaged_environment_is_named_and_its_run_differs_from_none(tmp_path, caplog):
    runs = [a_run(tmp_path, "a"), a_run(tmp_path, "b", threads=2)]
    path = runs[1].path / "environment.json"
    path.write_text(path.read_text().replace('"threads": 2', '"threads": 3'))
    assert apart(runs) == []
    assert f"{path} is damaged" in caplog.text
