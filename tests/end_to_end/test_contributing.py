"""CONTRIBUTING.md's five additions, as its diffs say: each is applied to a copy of the package and used there.

Seen to fail: a row left out of a diff, a file left out of one, a changed neighbour of a row, a format without `write`.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
DIFFS = dict(re.findall(r"^## An? ([^\n]+)\n.*?^```diff\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
TRAINED = """
from tutelage.data import Data
from tutelage.models import Model
from tutelage.run.engine import Engine
from tutelage.run.optim import Fit
from tutelage.run.recipe import Recipe, TeacherSpec
from tutelage.run.workspace import Workspace
from tutelage.training.loop import train

network = Model("convnet", options={"widths": [4, 8], "hidden": 8})
fit = Fit(epochs=1, batch_size=128, learning_rate=0.05)

def trained(method, **more):
    recipe = Recipe(data=Data("digits", part=256), student=network, method=method, fit=fit, **more)
    return train(recipe, Workspace(engine=Engine(device="cpu", threads=1)))
"""


def parts(diff: str) -> dict[str, list[str]]:
    """By file, the lines that a diff adds; a new file's name begins with "+"."""
    found: dict[str, list[str]] = {}
    for line in diff.splitlines():
        if line.startswith("--- "):
            new = line == "--- /dev/null"
        elif line.startswith("+++ "):
            found[current := "+" * new + line.removeprefix("+++ b/")] = []
        elif line.startswith("+"):
            found[current].append(line[1:])
        else:
            assert line.startswith((" ", "@@ ")), f"nothing is removed: {line}"
    return found


class Copy:
    """A copy of the package with one addition; commands and scripts run in it.

    Args:
        folder: Takes it, and is where they run.
        addition: A heading of CONTRIBUTING.md, without its article.
    """

    def __init__(self, folder: Path, addition: str):
        self.folder = folder
        shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
        self.environment = alone | {"PYTHONPATH": str(folder / "src"), "TUTELAGE_CACHE": str(folder / "cache")}
        applied = ["git", "apply", "-"]
        subprocess.run(applied, input=DIFFS[addition], text=True, cwd=folder, env=alone, check=True)

    def run(self, *words: str) -> str:
        """What `python WORDS` prints."""
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, cwd=self.folder, env=self.environment, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tutelage(self, *words: str) -> str:
        """What a command prints."""
        return self.run("-m", "tutelage", *words)

    def script(self, text: str) -> str:
        """What a script prints that uses the copy."""
        mine = "import tutelage; from pathlib import Path; assert Path(tutelage.__file__).is_relative_to(Path.cwd())\n"
        return self.run("-c", mine + text)


def test_the_page_shows_five_additions():
    assert list(DIFFS) == ["method", "data set", "model", "export format", "measure"]


@pytest.mark.parametrize("addition", sorted(DIFFS.keys() - {"measure"}))
def test_an_addition_is_one_new_file_and_one_row(addition):
    new, changed = sorted(parts(DIFFS[addition]).items())
    assert new[0].startswith("+src/tutelage/")
    assert changed[0].startswith("src/tutelage/")
    (table,) = ast.parse("{" + "\n".join(changed[1]) + "}").body
    assert isinstance(table, ast.Expr)
    assert isinstance(table.value, ast.Dict)
    assert len(table.value.keys) == 1


def test_a_method_trains_and_keeps_the_contract(tmp_path):
    copy = Copy(tmp_path, "method")
    assert re.search(r"^jsd +Lin +1991 +logits +cached$", copy.tutelage("list", "methods"), re.MULTILINE)
    assert "T^2 JS(teacher_T, student_T)" in copy.tutelage("explain", "jsd")
    copy.script(
        TRAINED + "from tutelage.methods import JSD\n"
        "run = trained(JSD(temperature=2.0), teacher=TeacherSpec(network, tune='full', fit=fit), views=1)\n"
        "assert len(run.curve('train', 'teacher')) == 1, 'its term is in the log'\n"
        "assert run.done\n"
    )
    contract = [str(ROOT / "tests" / "property" / "test_methods.py"), str(ROOT / "tests" / "unit" / "methods")]
    chosen = ["-p", "no:cacheprovider", "--rootdir", str(ROOT), "-k", "jsd", "-m", "not compiles"]
    told = copy.run("-m", "pytest", *chosen, *contract)
    assert int(re.search(r"(\d+) passed", told)[1]) > 20, "tests of the method"


def test_a_data_set_loads_and_has_a_test_split(tmp_path):
    copy = Copy(tmp_path, "data set")
    assert re.search(r"^shapes +2 +1 x 24 x 24 +1,000 +200", copy.tutelage("list", "datasets"), re.MULTILINE)
    assert re.search(r"^disc +450 +50$", copy.tutelage("data", "check", "shapes"), re.MULTILINE)
    told = copy.script(
        "import torch\n"
        "from tutelage.data import DATASETS, Data, load, test_split\n"
        "data, row = load(Data('shapes')), DATASETS['shapes']\n"
        "assert (len(data.train), len(data.val), data.train.shape) == (900, 100, (1, 24, 24))\n"
        "pixels = torch.cat([data.train.images, data.val.images]).double() / 255\n"
        "assert round(pixels.mean().item(), 4) == row.mean[0], pixels.mean()\n"
        "assert round(pixels.std(correction=0).item(), 4) == row.std[0], pixels.std(correction=0)\n"
        "assert len(test_split.open_test(data, Path('ledger'), run='r', reason='a test')) == row.test\n"
        "from tutelage.data import sources\n"
        "from tutelage.errors import UserError\n"
        "try: sources.read_test('shapes', None)\n"
        "except UserError as error: print(error.message)\n"
    )
    assert told.startswith("the reader of shapes was asked for test images")


def test_a_model_is_listed_and_built(tmp_path):
    copy = Copy(tmp_path, "model")
    listed = copy.tutelage("list", "models")
    assert re.search(r"^lenet5 +0.02 M +1.1 M +not measured +block1,block2", listed, re.MULTILINE)
    copy.script(
        "import torch\n"
        "from tutelage.models import MODELS, DataSpec, Model, build\n"
        "from tutelage.models.count import macs, parameters\n"
        "from tutelage.models.tap import EVERYTHING\n"
        "row, images = MODELS['lenet5'], DataSpec(100, 3, 32, (0.5,) * 3, (0.2,) * 3)\n"
        "network = build(Model('lenet5'), images).eval()\n"
        "assert round(parameters(network) / 1e6, 2) == row.parameters\n"
        "assert round(macs(network, (1, 3, 32, 32)) / 1e6, 1) == row.macs\n"
        "told, (weight, bias) = network(torch.rand(2, 3, 32, 32), EVERYTHING), network.sizes().head\n"
        "torch.testing.assert_close(told.embedding @ weight.T + bias, told.logits)\n"
        "assert len(told.features) == len(row.stages)\n"
    )


def test_a_format_is_written_and_run(tmp_path):
    copy = Copy(tmp_path, "export format")
    assert re.search(r"^ *torchscript +PyTorch's older programs", copy.tutelage("export", "--help"), re.MULTILINE)
    copy.script(
        TRAINED + "from tutelage import data\n"
        "from tutelage.edge.runtimes import open_file\n"
        "from tutelage.export import export\n"
        "from tutelage.methods import Baseline\n"
        "run = trained(Baseline())\n"
        "told = export(run, data.load(run.recipe.data), ['torchscript'], force=True)['torchscript']\n"
        "assert told['same_predictions'] == 1, told\n"
        "assert told['latency_ms']['p50'] > 0, 'a process of its own ran the file'\n"
        "assert open_file(run.path / 'student.pt').card().classes == tuple('0123456789')\n"
    )


@pytest.mark.skipif(not (ROOT / "src/tutelage/measure/measures.py").exists(), reason="measures are not declared once")
def test_a_measure_is_printed(tmp_path):
    copy = Copy(tmp_path, "measure")
    run = copy.script(TRAINED + "from tutelage.methods import Baseline\nprint(trained(Baseline()).path)").strip()
    assert re.search(r"val: .*margin \d+\.\d\d %", copy.tutelage("evaluate", run))
