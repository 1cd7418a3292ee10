import contextlib
import functools
import hashlib
import importlib
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

import scatseg
from scatseg.analysis import SegmentJob
from scatseg.classification import load_model
from scatseg.gear import SideBySide
from scatseg.labelled import read_labelled
from scatseg.naming import build, code_of, parse_names, parse_value, placeless
from scatseg.search import Index
from scatseg.search.retrieval import compare
from scatseg.segmentation import Hierarchy, Segmentation
from scatseg.synth import AMChirp


@dataclass(frozen=True, kw_only=True)
class Tea:
    sugar: int = 0
    milk: bool = False


def brew(minutes, *, strong=False):
    return minutes, strong


TABLE = {"tea": Tea, "lazy": f"{__name__}:Tea", "gone": "scatseg.nowhere:Tea"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tea", (("tea", {}),)),
        ("tea:sugar=2", (("tea", {"sugar": 2}),)),
        ("tea:sugar=2,milk=true", (("tea", {"sugar": 2, "milk": True}),)),
        ("tea + lazy:sugar=1 ", (("tea", {}), ("lazy", {"sugar": 1}))),
        ("scattering:J=12,Q=12/2+mfcc", (("scattering", {"J": 12, "Q": (12, 2)}), ("mfcc", {}))),
        ("a.b:c", (("a.b:c", {}),)),
        ("a.b:c:d=1+tea", (("a.b:c", {"d": 1}), ("tea", {}))),
        ("tea: sugar = 2 , milk = none", (("tea", {"sugar": 2, "milk": None}),)),
        ("tea:formula=a=b", (("tea", {"formula": "a=b"}),)),
    ],
)
def test_names_are_read_with_their_options(text, names):
    assert parse_names(text) == names


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("12/2", (12, 2)),
        ("1/0.5/x", (1, 0.5, "x")),
        ("True", True),
        ("false", False),
        ("None", None),
        ("cosine", "cosine"),
    ],
)
def test_values_have_the_type_they_look_like(text, value):
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["", " ", "tea+", "+tea", ":sugar=2", "tea:", "a:b:c=1:d=2"])
def test_a_malformed_name_raises(text):
    with pytest.raises(ValueError, match="names are written name:key=value"):
        parse_names(text)


@pytest.mark.parametrize("text", ["tea:sugar=", "tea:=2", "tea:sugar=2,milk", "tea:sugar=2,"])
def test_a_malformed_option_raises(text):
    with pytest.raises(ValueError, match="options are written key=value"):
        parse_names(text)


@pytest.mark.parametrize("name", ["tea", "lazy", f"{__name__}:Tea"])
def test_a_name_becomes_its_object(name):
    assert build(name, {"sugar": 2}, TABLE, "drink") == Tea(sugar=2)


def test_a_function_is_returned_as_it_is():
    assert build(f"{__name__}:brew", {}, TABLE, "drink") is brew


def test_a_function_with_options_makes_the_object():
    assert build(f"{__name__}:brew", {"minutes": 3}, TABLE, "drink") == (3, False)


def test_an_unknown_name_raises_with_the_available_ones():
    with pytest.raises(ValueError, match=r"unknown drink 'cofee': choose from tea, lazy, gone, or"):
        build("cofee", {}, TABLE, "drink")


@pytest.mark.parametrize("name", ["tea", "lazy"])
def test_an_unknown_option_raises_with_the_available_ones(name):
    message = rf"drink '{name}' does not take \{{'sugr': 2\}}: its options are sugar, milk"
    with pytest.raises(ValueError, match=message):
        build(name, {"sugr": 2}, TABLE, "drink")


@pytest.mark.parametrize("name", ["weak", "math:pi"])
def test_a_wrong_value_is_not_reported_as_an_unknown_option(name):
    def weak(sugar):
        return 2**sugar

    message = rf"drink '{name}' cannot be made with \{{'sugar': 'lots'\}}: .*(unsupported|not call)"
    with pytest.raises(ValueError, match=message):
        build(name, {"sugar": "lots"}, {"weak": weak}, "drink")


def test_a_repeated_option_raises():
    with pytest.raises(ValueError, match=r"'sugar' is given twice in 'tea:sugar=1,sugar=2'"):
        parse_names("tea:sugar=1,sugar=2")


def test_an_unknown_option_of_a_function_raises_with_the_available_ones():
    with pytest.raises(ValueError, match="its options are minutes, strong"):
        build(f"{__name__}:brew", {"hours": 3}, TABLE, "drink")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("nowhere.at.all:Tea", "nowhere.at.all:Tea"),
        ("gone", "scatseg.nowhere:Tea"),
        (f"{__name__}:Coffee", f"{__name__}:Coffee"),
    ],
)
def test_what_cannot_be_imported_is_named(name, place):
    with pytest.raises(ValueError, match=f"cannot import the drink '{place}'"):
        build(name, {}, TABLE, "drink")


@pytest.mark.parametrize("place", ["tea.py", "./tea.py", "../shop/tea", "/shop/tea.py", ".tea"])
def test_a_file_in_place_of_a_module_is_told_the_name_of_the_module(place):
    with pytest.raises(ValueError, match="a module is named as in Python, tea:Tea"):
        build(f"{place}:Tea", {}, TABLE, "drink")


def test_code_of_this_package_has_no_separate_version():
    assert not code_of((AMChirp(), AMChirp, 3, "text"))


@pytest.mark.parametrize(
    "made",
    [brew, Tea(), (1, brew), SideBySide(parts=(brew,))],
    ids=["function", "instance", "tuple", "attribute"],
)
def test_custom_code_is_found_in_nested_objects(made):
    assert code_of(made) == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A module of one's own with modules beside it, which are not all imported by it."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"shop_{tmp_path.name}".replace("-", "_")
    texts = {
        f"{name}.py": f"""
            import functools, json, numpy
            import {name}_kettle
            from {name}_pot.lid import closed
            def brew(minutes, strong=False):
                from {name}_pot import size
                from {name}_shelf.low import jar
            class Tea:
                def pour(self): pass
            sweet = functools.partial(len, "sugar")
        """,
        f"{name}_kettle.py": "import numpy",
        f"{name}_pot/__init__.py": "",
        f"{name}_pot/lid.py": "from . import knob; closed = True",
        f"{name}_pot/knob.py": "",
        f"{name}_pot/size.py": "",
        f"{name}_shelf/low/jar.py": "",
        f"{name}_cellar.py": "",
    }
    for file, text in texts.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(textwrap.dedent(text), encoding="utf-8")
    return importlib.import_module(name)


@pytest.mark.parametrize(
    "part",
    ["", "_kettle", "_pot/__init__", "_pot/lid", "_pot/knob", "_pot/size", "_shelf/low/jar"],
)
def test_custom_code_includes_what_it_imports(shop, part):
    before = code_of(shop.brew)
    file = Path(shop.__file__).parent / f"{shop.__name__}{part}.py"
    file.write_text(file.read_text(encoding="utf-8") + "# otherwise", encoding="utf-8")
    assert code_of(shop.brew) != before


def test_other_files_in_the_folder_are_not_part_of_custom_code(shop):
    before = code_of(shop.brew)
    file = Path(shop.__file__).with_name(f"{shop.__name__}_cellar.py")
    file.write_text("# otherwise", encoding="utf-8")
    assert code_of(shop.brew) == before


@pytest.mark.parametrize(
    "made",
    [
        functools.partial(brew, 3),
        functools.partial(len, brew),
        functools.cache(brew),
        Tea().__repr__,
        contextlib.contextmanager(brew),
    ],
    ids=["partial", "argument", "cache", "method", "decorator"],
)
def test_custom_code_is_found_behind_what_wraps_it(made):
    if isinstance(made, functools.partial):
        assert code_of(made) not in ("", code_of(made.func))
    else:
        assert code_of(made) == digest_of(Path(__file__))


def test_a_wrapper_is_custom_code_as_is_what_it_wraps(shop):
    def strained(*args):
        return shop.brew(*args)

    both = code_of((brew, shop.brew))
    assert code_of(functools.wraps(shop.brew)(strained)) == both
    assert code_of(functools.wraps(shop.Tea().pour)(strained)) == both
    assert both not in {code_of(brew), code_of(shop.brew)}


def test_arguments_of_partial_objects_are_part_of_the_code():
    codes = {
        code_of(functools.partial(brew, minutes, strong=strong))
        for minutes in (3, 5)
        for strong in (True, False)
    }
    assert len(codes) == 4
    assert code_of(functools.partial(brew, 3)) == code_of(functools.partial(brew, 3))
    grams = np.zeros((2, 5000)), np.zeros((2, 5000))
    grams[1][1, 2500] = 1  # which its repr leaves out
    assert len({code_of(functools.partial(brew, 3, each)) for each in grams}) == 2


def test_the_order_of_sets_is_not_part_of_the_code():
    leaves = {8, 0}, {0, 8}
    assert repr(leaves[0]) != repr(leaves[1])
    assert len({code_of(functools.partial(brew, each)) for each in leaves}) == 1


def test_imports_of_installed_packages_are_not_part_of_the_code():
    made = scipy.signal.get_window
    assert code_of(made) == digest_of(Path(sys.modules[made.__module__].__file__))


def test_the_module_of_a_name_is_part_of_the_code_of_what_it_names(shop):
    assert not code_of(shop.sweet)
    name = f"{shop.__name__}:sweet"
    before = code_of(shop.sweet, name, "mfcc:n_mfcc=20")
    file = Path(shop.__file__)
    file.write_text(file.read_text(encoding="utf-8") + "# otherwise", encoding="utf-8")
    assert before
    assert code_of(shop.sweet, name) != before


def test_memory_addresses_are_removed():
    assert placeless(brew) == "<function brew>"


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: Hierarchy([Segmentation([0, 1], ["A"])], "phrase"), "names"),
        (lambda: SegmentJob(segmenters="phrase"), "segmenters"),
        (lambda: SegmentJob(exports="phrase"), "exports"),
        (lambda: read_labelled(".", columns="phrase"), "columns"),
        (lambda: load_model("absent", trusted="phrase"), "trusted"),
        (lambda: Index.open("absent", trusted="phrase"), "trusted"),
        (lambda: compare({}, metrics="phrase"), "metrics"),
    ],
)
def test_one_name_is_not_taken_for_its_letters(call, argument):
    with pytest.raises(TypeError, match=rf"{argument} .* 'phrase': write \['phrase'\] for one"):
        call()


@pytest.mark.parametrize("made", [scatseg.extractor, scatseg.segmenter])
@pytest.mark.parametrize("given", [scatseg.Scattering(J=8), 3, None, b"mfcc"])
def test_objects_are_no_names(made, given):
    with pytest.raises(
        TypeError, match=r"a name is needed, got .*: an object made already is used"
    ):
        made(given)
