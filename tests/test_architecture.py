"""The house as designed: imports look upstream, libraries have one door, the front is light."""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scatseg
import scatseg.scattering

SOURCE = Path(scatseg.__file__).parent

# A module imports only from layers above its own.
FLOW = [
    {"", "counts", "naming", "rates", "threads", "writing"},
    {"segmentation", "scattering", "compression", "feature_names"},
    {"features"},
    {"places"},
    {"audio", "spectral", "extractors", "pieces", "rhythm", "synth"},
    {"bars", "distances", "explain", "sensitivity", "similarity", "transformers", "pictures"},
    {"alignment", "novelty", "boundaries", "labels", "losses", "transposition"},
    {"cover", "formats"},
    {"diagonals"},
    {"segmenters", "runs", "agreement", "baselines", "statistics"},
    {"evaluation", "gear", "labelled", "matching"},
    {"summaries", "classification"},
    {"score_tables"},
    {"datasets", "freshness", "partners"},
    {"loaders", "pairing", "registry", "track_tables"},
    {"analysis", "sound_sets", "workers"},
    {"clips", "cluster"},
    {"collection"},
    {"scoring"},
    {"search"},
    {"plotting"},
    {"figures", "report"},
    {"cli"},
    {"__main__"},
]

DOORS = {
    "skops": {"classification.model_files"},
    "soundfile": {"audio"},
    "soxr": {"audio"},
    "av": {"audio"},
    "librosa": {"spectral"},
    "numba": {"spectral"},
    "kymatio": {"scattering.filterbank"},
    "sklearn": {"classification", "gear.neighbors", "labels", "search.metric", "transformers"},
    "faiss": {"search.approximate"},
    "mir_eval": {"evaluation"},
    "matplotlib": {"plotting"},
    "joblib": {"workers"},
    "dask": {"cluster"},
    "distributed": {"cluster"},
    "threadpoolctl": {"threads"},
    "click": {"cli"},
    "tqdm": {"cli"},
    "pooch": {"registry"},
    "mirdata": {"loaders"},
    "pandas": {"scattering.units"},
    "jams": set(),
    "torch": {
        "classification.convnet",
        "losses",
        "matching",
        "scattering.modules",
        "scattering.tensors",
        "sensitivity",
        "synth",
        "threads",
    },
}

HEAVY = ("torch", "matplotlib", "librosa", "sklearn", "kymatio", "numba", "scipy", "mir_eval")


def modules():
    """Yield each module's name and the names it imports."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, set(imported(ast.parse(path.read_text(encoding="utf-8"))))


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield node.module
            if node.module == "scatseg":
                yield from (f"scatseg.{alias.name}" for alias in node.names)


MODULES = dict(modules())


def test_every_module_has_its_place_in_the_flow():
    placed = [room for layer in FLOW for room in layer]
    assert sorted(placed) == sorted({name.split(".")[0] for name in MODULES})


@pytest.mark.parametrize("name", [name for name in MODULES if name])
def test_imports_only_look_upstream(name):
    room = name.split(".")[0]
    depth = next(i for i, layer in enumerate(FLOW) if room in layer)
    upstream = set().union(*FLOW[:depth]) | {room}
    used = {
        module.split(".")[1]
        for module in MODULES[name]
        if module.startswith("scatseg.") and not module.startswith("scatseg.__")
    }
    assert used <= upstream


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library):
    users = {
        name
        for name, imports in MODULES.items()
        if any(module.split(".")[0] == library for module in imports)
    }
    assert {user for user in users if not any(_inside(user, d) for d in DOORS[library])} == set()


def _inside(module, door):
    return module == door or module.startswith(door + ".")


def test_broken_front_doors_of_kymatio_are_nowhere():
    names = set().union(*MODULES.values())
    assert not names & {"kymatio.numpy", "kymatio.torch", "kymatio.sklearn", "kymatio"}


def test_importing_scatseg_imports_nothing_heavy():
    script = f"import sys, scatseg; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_command_line_imports_nothing_heavy():
    script = "import sys, scatseg.cli; print([m for m in ('numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_everything_public_can_be_imported():
    for name in scatseg.__all__:
        assert getattr(scatseg, name).__doc__


def test_completion_shows_public_names_and_modules_only():
    assert scatseg.segment.__module__ == "scatseg.segmenters"  # which imports modules
    shown = {name for name in dir(scatseg) if not name.startswith("__")}
    rooms = {name.split(".")[0] for name in MODULES} - {"", "__main__"}
    assert shown == {*scatseg.__all__, *rooms}
    assert "__version__" in dir(scatseg)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'segmentation_of_nothing'"):
        _ = scatseg.segmentation_of_nothing


def test_modules_are_there_without_an_import_of_their_own():
    script = "import scatseg; print(scatseg.rhythm.find_grid.__name__, hasattr(scatseg, '_x'))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["find_grid", "False"]


def test_documented_names_exist():
    pytest.importorskip("torch", reason="some names are of torch layers")
    root = Path(__file__).parents[1]
    code = [path for folder in (SOURCE, root / "pipelines") for path in folder.rglob("*.py")]
    names, missing = {}, []
    for path in [root / "README.md", *code, *root.glob("reports/**/*.md")]:
        for name in re.findall(r"`(scatseg(?:\.\w+)+)", path.read_text(encoding="utf-8")):
            names.setdefault(name, path.name)
    for name, file in names.items():
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError) as error:
            missing.append(f"{name} in {file}: {error}")
    assert len(names) > 50
    assert missing == []


def test_what_needs_an_extra_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "scatseg.scattering.modules", raising=False)
    with pytest.raises(ImportError, match=r'pip install "scatseg\[torch\]"'):
        _ = scatseg.scattering.ScatteringModule
