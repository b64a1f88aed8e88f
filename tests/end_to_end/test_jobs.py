"""Many runs at once: the same bits as one after the other, whatever stops, dies, fails or is typed twice."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

import small
import tasks
from tutelage import files
from tutelage.data import Data
from tutelage.errors import Diverged, UserError
from tutelage.methods.label_smoothing import LabelSmoothing
from tutelage.run.folder import Run
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.study import processes, work
from tutelage.study.folds import CrossValidation
from tutelage.study.jobs import Jobs
from tutelage.study.search import Search
from tutelage.study.study import Study
from tutelage.study.task import Task
from tutelage.study.tune import Tuning
from tutelage.study.watch import FILE, Watch
from typing_commands import command, told_together, wait_for

FIT = Fit(epochs=2, batch_size=256, learning_rate=0.05)


FAILING = Task("failing", tasks.fail, ("the loss is not finite",))


def two(running):
    """At once."""
    return 2


def study_in(folder: Path, **changes) -> Study:
    """Of a baseline and kd by a teacher that has to be trained, on two seeds."""
    teacher = TeacherSpec(small.TEACHER, tune="full", fit=FIT)
    return Study((replace(small.taught(folder, fit=FIT), teacher=teacher, **changes),), (0, 1))


# --- processes


def test_tasks_return_and_their_lines_are_said_once(capsys):
    doubled = processes.do([Task(str(n), tasks.double, (n,)) for n in range(4)], two)
    assert doubled == {"0": 0, "1": 2, "2": 4, "3": 6}
    assert sorted(capsys.readouterr().err.splitlines()) == [f"doubling {n}" for n in range(4)]


def test_a_task_whose_process_is_killed_is_done_again_with_fewer_beside_it(tmp_path, capsys):
    seen = []

    def at_once(running):
        seen.append(len(running))
        return 3

    killed = Task("killed", tasks.die_at_first, (tmp_path / "marker", 2))
    told = processes.do([killed, *(Task(str(n), tasks.double, (n,)) for n in range(3))], at_once)
    assert told == {"killed": "killed 2 times", "0": 0, "1": 2, "2": 4}
    assert capsys.readouterr().err.count("the process of killed was killed (exit code -9)") == 2
    assert max(seen) <= 3, "how many are seen at once depends on when they end"
    with pytest.raises(UserError, match="the process of killed was killed"):
        processes.do([Task("killed", tasks.die_at_first, (tmp_path / "again", 3))], two)


def test_a_process_that_ends_by_itself_is_not_said_to_lack_memory_and_not_begun_again(capsys):
    with pytest.raises(UserError, match=r"the process of leaving ended by itself.*exit code 1") as caught:
        processes.do([Task("leaving", tasks.leave, ())], two)
    assert "jobs=1" in caught.value.hint
    assert "memory" not in caught.value.hint
    assert "goes on" not in capsys.readouterr().err


def test_a_plain_script_may_begin_processes_and_is_not_run_again_by_them(tmp_path):
    """Without `if __name__ == "__main__":`, which multiprocessing wants where a process imports the script again."""
    script = tmp_path / "script.py"
    task = "Task(str(n), tasks.double, (n,))"
    script.write_text(
        "import tasks\nfrom tutelage.study import processes\nfrom tutelage.study.task import Task\n"
        f"print(processes.do([{task} for n in (1, 2)], lambda running: 2))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert sorted(done.stderr.splitlines()) == ["doubling 1", "doubling 2"]
    assert done.stdout in ("{'1': 2, '2': 4}\n", "{'2': 4, '1': 2}\n")


def test_a_task_is_done_beside_a_block_whatever_becomes_of_its_process(tmp_path):
    mark, begun = tmp_path / "marker", tmp_path / "begun"
    with processes.beside(Task("killed", tasks.die_at_first, (mark, 1))):
        wait_for(mark.exists)  # in the other process: this one does it after the block
    with pytest.raises(UserError, match="failing: the loss is not finite") as failed, processes.beside(FAILING):
        pass
    assert "in a process of its own" in failed.value.__notes__[0]
    with suppress(KeyboardInterrupt), processes.beside(Task("waiting", tasks.wait_to_be_stopped, (begun,))):
        wait_for(begun.exists)
        raise KeyboardInterrupt
    assert begun.read_text() == "saved"


def test_a_process_that_is_let_go_of_after_its_result_tidies_up_to_the_end(tmp_path):
    """Its semaphores would stay behind, and Python's resource tracker warn of them."""
    processes.prepare()
    with processes.beside(Task("tidy", tasks.tidy_up_at_the_end, (tmp_path / "marker",))):
        pass
    assert (tmp_path / "marker").read_text() == "given back"


def test_what_fails_is_named_and_the_others_save_what_they_have(tmp_path):
    waiting = Task("waiting", tasks.wait_to_be_stopped, (tmp_path / "marker",))
    tasks_after = (Task(f"failing {n}", tasks.fail, ("the loss is not finite",)) for n in range(9))
    with pytest.raises(Diverged, match="failing 0: the loss is not finite") as caught:
        processes.do([waiting, *tasks_after], lambda running: 1 + (tmp_path / "marker").exists())
    assert caught.value.hint == "lower it"
    assert "in a process of its own" in caught.value.__notes__[0]
    assert (tmp_path / "marker").read_text() == "saved"


def test_a_scheduler_that_stops_every_process_may_start_it_again(tmp_path):
    """SLURM's SIGTERM reaches the command and its runs: they save, and the exit code says so."""
    marker = tmp_path / "marker"
    code = "import os, signal, tasks; from pathlib import Path; from tutelage.study import processes\n"
    code += "def at_once(running):\n"
    code += f"    if Path({str(marker)!r}).exists():\n"
    code += "        for pid in (running[0].process.pid, os.getpid()): os.kill(pid, signal.SIGTERM)\n"
    code += "    return 1\n"
    code += f"task = processes.Task('waiting', tasks.wait_to_be_stopped, (Path({str(marker)!r}),))\n"
    code += "try: processes.do([task], at_once)\n"
    code += "except KeyboardInterrupt as stopped: os._exit(stopped.code)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=120, check=False)
    assert done.returncode == 75
    assert marker.read_text() == "saved"


def test_whose_parent_is_killed_saves_and_ends(tmp_path):
    marker = tmp_path / "marker"
    code = "import tasks; from pathlib import Path; from tutelage.study.processes import Task, do; "
    code += f"do([Task('waiting', tasks.wait_to_be_stopped, (Path({str(marker)!r}),))], lambda running: 1)"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    wait_for(marker.exists, process)
    process.kill()
    process.wait()
    wait_for(lambda: marker.read_text() == "saved")


# --- runs


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """The runs of the study, one after the other."""
    folder = tmp_path_factory.mktemp("serial")
    workspace = small.workspace(folder / "runs")
    work.train_all(study_in(folder).every, workspace, Watch())
    return folder


def bits(runs: Path):
    """The weights and the book of every run."""
    found = [Run(path.parent) for path in sorted(runs.glob("*/DONE"))]
    return {run.path.name: ({n: t.tolist() for n, t in load_file(run.weights).items()}, run.metrics()) for run in found}


def test_two_at_once_have_the_bits_of_one_after_the_other(one_by_one, tmp_path):
    study, workspace, watch = study_in(tmp_path), small.workspace(tmp_path / "runs"), Watch()
    assert work.train_all(study.every, workspace, watch, Jobs(2)) == []
    assert len(bits(workspace.runs)) == 5
    assert bits(workspace.runs) == bits(one_by_one / "runs")
    assert len(watch.line["trained"]) == 5
    paid = [run.result("cost")["teacher_passes_paid"] for run in (Run.of(r, workspace.runs) for r in study.every)]
    assert sum(paid) == 2 * 1294, "two views, whoever asked first"
    assert {Run.of(r, workspace.runs).result("environment")["machine"]["threads"] for r in study.every} == {1}


def test_folds_are_trained_at_once_too(tmp_path):
    photos = Data(str(small.photos(tmp_path / "colours", images=10)), size=8, val_share=0.2)
    row = Recipe(data=photos, student=small.STUDENT, fit=replace(FIT, batch_size=8), augment=small.AUGMENT, views=1)
    folded = CrossValidation((row, replace(row, method=LabelSmoothing())), folds=2)
    spaces = [small.workspace(tmp_path / name) for name in ("serial", "at once")]
    one, two = (folded.run(space, space.runs / "study", jobs=Jobs(n)) for n, space in enumerate(spaces, 1))
    assert two == one
    assert len(bits(spaces[1].runs)) == 4
    assert bits(spaces[1].runs) == bits(spaces[0].runs)


def test_ctrl_c_while_the_processes_server_begins_is_heard_by_the_command_alone(tmp_path, default_signals):
    files.write_json(tmp_path / "kd.json", study_in(tmp_path, seed=3).rows[1].to_dict())
    flags = "--jobs", "2", "--engine.threads", "1", "--engine.device", "cpu", "--teacher.fit.epochs", "4000"
    process = command("distill", "kd.json", *flags, cwd=tmp_path, start_new_session=True)
    wait_for(lambda: list(tmp_path.glob("runs/*/log.txt")), process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err


def test_ctrl_c_ends_all_and_nothing_is_lost(one_by_one, tmp_path, default_signals):
    study = study_in(tmp_path, fit=replace(FIT, epochs=4000))
    workspace = small.workspace(tmp_path / "runs")
    work.train_teachers(study.every, workspace, Watch())
    files.write_json(tmp_path / "kd.json", study.rows[1].to_dict())
    flags = "--jobs", "2", "--engine.threads", "1", "--engine.device", "cpu", "--seeds", "0", "1"
    process = command("distill", "kd.json", *flags, cwd=tmp_path, start_new_session=True)
    wait_for(lambda: len(list(tmp_path.glob("runs/*-s[01]-*/checkpoints/step_*"))) >= 6, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and to all of its processes
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.search(r"stopped with \d tasks? at work; the same command goes on from there", err)
    assert "Traceback" not in err
    for run in tmp_path.glob("runs/*-s[01]-*"):
        assert list(run.glob("checkpoints/step_*"))
        assert not list(run.rglob("*.tmp"))
        with files.locked(run / "lock") as alone:
            assert alone, "its process has ended"


def test_the_same_command_typed_twice_shares_the_runs(one_by_one, tmp_path):
    study = study_in(tmp_path)
    files.write_json(tmp_path / "kd.json", study.rows[1].to_dict())
    flags = "--jobs", "1", "--engine.threads", "1", "--engine.device", "cpu", "--seeds", "0", "1"
    both = [command("distill", "kd.json", *flags, cwd=tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert bits(tmp_path / "runs") == bits(one_by_one / "runs")
    folder = study.folder(tmp_path / "runs")
    assert len(files.read_lines(tmp_path / "runs" / "test_openings.jsonl")) == 1
    assert (folder / "results.json").exists()
    trained = [name for line in files.read_lines(folder / FILE) for name in line["trained"]]
    assert sorted(trained) == sorted(bits(tmp_path / "runs")), "each by one of them"


def test_searches_share_their_trials(tmp_path):
    recipe = small.taught(tmp_path, fit=replace(FIT, epochs=3))
    tuning, workspace = Tuning((recipe,), Search(trials=4), seeds=(0, 1)), small.workspace(tmp_path / "runs")
    tuning.search_trials(workspace, Jobs(2))
    told = tuning.outcome(workspace.runs / tuning.folder_name)
    assert len(told["trials"]) == 4
    assert {trial["state"] for trial in told["trials"]} <= {"complete", "pruned"}
    assert Tuning.from_dict(tuning.to_dict()) == tuning


def test_the_jobs_of_an_array_fill_a_part_each(tmp_path):
    small.weights(tmp_path / "teacher.safetensors")
    teacher = ["--teacher", "teacher.safetensors", "--teacher.model.name", "convnet"]
    options = ["--teacher.options", '{"widths": [16, 32], "hidden": 16}', "--engine.device", "cpu"]
    fill = ["cache", "fill", "digits", "kd", *teacher, *options]
    told = told_together(
        [*fill, "--part", "2/2"], [*fill, "--part", "1/2"], [*fill, "--part", "1/2"], fill, cwd=tmp_path
    )
    paid = [int(re.search(r"([\d,]+) teacher passes now", said)[1].replace(",", "")) for said in told]
    assert paid == [1294, 2 * 1294, 0, 0]
    process = command(*fill, "--part", "3/2", cwd=tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--part 3/2 is not the i-th of n parts" in err


def test_a_process_that_is_let_go_while_it_tells_its_result_ends_without_a_word():
    code = (
        "from tutelage.study import task\n"
        "class Pipe:\n"
        "    def send(self, content):\n"
        "        if content[0] == 'done': raise KeyboardInterrupt\n"
        "    def recv(self): __import__('time').sleep(60)\n"
        "if __name__ == '__main__': task.serve(Pipe(), Pipe(), task.Task('t', int, ()), '.')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert not done.stderr
