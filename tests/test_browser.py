"""The report in a real browser, opened from the disk: it looks, plays and stays inert."""

import csv
import dataclasses
import json
import os
import re
import shutil
import zlib
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pytest

from scatseg.audio import save
from scatseg.evaluation import HIERARCHY, Score, score_collection
from scatseg.explain import Band, Reason
from scatseg.formats import Annotation, Jams, write_jams
from scatseg.freshness import fingerprints
from scatseg.report import build, hits
from scatseg.report.hits import build_hits
from scatseg.score_tables import scores_csv, summary_csv, summary_json
from scatseg.search import Answer, Hit
from scatseg.search.explaining import Likeness
from scatseg.segmentation import Segmentation
from scatseg.summaries import assess

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
SCRIPT = "</script><script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
SILENT_ID = "50% #2 <b>?"


@pytest.fixture(scope="module")
def context():
    """Return a window of Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("SCATSEG_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("no Chromium: install it or set SCATSEG_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        yield context
        browser.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory, aba, aba_signal):
    """Report of the minute A B A, of a recording that is missing, and of one that failed.

    All names in it that others choose are hostile.
    """
    folder = tmp_path_factory.mktemp("report") / "run 1"
    for name in ("tracks", "references", "arrays"):
        (folder / name).mkdir(parents=True)
    source = folder.parent / "minute.wav"
    save(source, *aba_signal)
    sung = Segmentation([0, 20, 40, 60], ["verse", IMAGE, "verse"])
    late = Segmentation([0, 30, 60], ["one", "two"])
    references = [
        Annotation(segmentation=sung, annotator="ann", level="section"),
        Annotation(segmentation=late, annotator=SCRIPT, level="section"),
    ]
    estimates = (
        Annotation(segmentation=aba, system="foote", level="section"),
        Annotation(segmentation=late, system="even", level="section"),
    )
    places = {}
    for track_id, audio in (("minute", source), (SILENT_ID, folder / "gone.wav")):
        places[track_id] = str(audio)
        facts = {"warnings": [f"careful {IMAGE}"]}
        jams = Jams(annotations=estimates, duration=60.0, title=SCRIPT, sandbox={"scatseg": facts})
        write_jams(folder / "tracks" / f"{track_id}.jams", jams)
        reference = Jams(annotations=tuple(references), duration=60.0)
        write_jams(folder / "references" / f"{track_id}.jams", reference)
    (folder / "run.json").write_text(json.dumps({"audio": places}))
    write_arrays(folder / "arrays" / "minute.npz", aba)
    scores = score_collection(
        {"minute": references, SILENT_ID: references},
        {each.system: {"minute": each.segmentation} for each in estimates},
    )
    nested = {"T-Measure reduced": 0.25, "T-Measure full": 0.5, "L-Measure": 0.75}
    scores += [
        Score("minute", "ann", HIERARCHY, "foote", metric, value)
        for metric, value in nested.items()
    ]
    (folder / "scores.csv").write_text(scores_csv(scores), encoding="utf-8")
    results = assess(scores)
    (folder / "summary.csv").write_text(summary_csv(results.summaries), encoding="utf-8")
    (folder / "summary.json").write_text(summary_json(results), encoding="utf-8")
    with (folder / "failures.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("track", "stage", "error"), (IMAGE, "decode", SCRIPT)])
    build(folder, figures=False)
    return folder


def write_arrays(path, form):
    edges = np.linspace(0, 60, 61)
    labels = np.array([form.label_at(time) for time in (edges[:-1] + edges[1:]) / 2])
    novelty = np.zeros(61, np.float32)
    novelty[[20, 40]] = 1
    np.savez(
        path,
        S=np.where(labels[:, None] == labels, 255, 0).astype(np.uint8),
        S_edges=edges,
        waveform=np.tile(np.array([[-100], [100]], np.int8), 600),
        novelty_foote=novelty,
        novelty_edges_foote=edges,
    )


@pytest.fixture
def visit(context, run):
    """Return a function that opens a page; at the end nothing may have gone wrong in it."""
    page = context.new_page()
    page.wrongs, page.requests = [], []
    page.on("console", lambda message: page.wrongs.append(message.text))
    page.on("pageerror", lambda error: page.wrongs.append(str(error)))
    page.on("dialog", lambda dialog: (page.wrongs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: page.requests.append(request.url))

    def open_page(name):
        page.goto((run / name).as_uri())
        return page

    yield open_page
    page.close()
    assert page.wrongs == []


@pytest.fixture
def minute(visit):
    page = visit("pages/minute.html")
    wait_until(page, "document.querySelector('audio').readyState > 0")
    return page


def wait_until(page, condition):
    """Wait for a JavaScript expression to be true.

    Playwright's own wait_for_function evaluates strings inside the page, which the page's
    policy rightly forbids.
    """
    for _ in range(500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    pytest.fail(f"never came true: {condition}")


def audio_time(page):
    return page.evaluate("document.querySelector('audio').currentTime")


def pause(page):
    page.evaluate("document.querySelector('audio').pause()")


def playhead(page):
    return float(page.evaluate("parseFloat(document.querySelector('.playhead').style.left)"))


def click_at(page, selector, x, y=0.5, **options):
    """Click on an element at a fraction of its width and height."""
    box = page.locator(selector).first.bounding_box()
    position = {"x": x * box["width"], "y": y * box["height"]}
    page.locator(selector).first.click(position=position, **options)


def segment(page, strip, number):
    return page.get_by_role("group", name=strip, exact=True).get_by_role("button").nth(number)


# ---- nothing but the folder ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["index.html", "pages/minute.html", f"pages/{SILENT_ID}.html"])
def test_page_asks_for_nothing_outside_its_folder(visit, run, name):
    page = visit(name)
    page.wait_for_load_state("load")
    for url in page.requests:
        parts = urlsplit(url)
        if parts.scheme != "data":
            assert parts.scheme == "file"
            assert Path(unquote(parts.path)).is_relative_to(run)
    assert len(page.requests) > 3


def test_hostile_names_are_shown_as_they_are_written(visit):
    page = visit("index.html")
    links = page.get_by_role("link", name=SCRIPT, exact=True)
    assert links.count() == 2
    assert page.get_by_role("cell", name=IMAGE, exact=True).is_visible()
    links.last.click()
    page.get_by_role("heading", level=1, name=SCRIPT, exact=True).wait_for()
    assert page.title() == f"{SCRIPT} · scatseg"
    assert page.get_by_text(f"careful {IMAGE}", exact=True).is_visible()
    assert page.get_by_role("group", name=f"{SCRIPT} · section").is_visible()
    assert page.locator("main img").count() == 0


def test_policy_stops_scripts_and_requests_that_got_in_all_the_same(minute):
    stopped = minute.evaluate(
        """async () => {
          const stopped = [];
          document.addEventListener("securitypolicyviolation",
            (event) => stopped.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          const image = new Image();
          image.src = "http://127.0.0.1:9/pixel.png";
          document.body.append(script, image);
          await fetch("http://127.0.0.1:9/").catch(() => null);
          await new Promise((resolve) => setTimeout(resolve, 100));
          return [...stopped, String(window.ran)].sort();
        }"""
    )
    assert stopped == ["connect-src", "img-src", "script-src-elem", "undefined"]
    minute.wrongs.clear()  # the console told of each


# ---- listening ----------------------------------------------------------------------------


def test_recording_plays(minute):
    minute.evaluate("document.querySelector('audio').play()")
    wait_until(minute, "document.querySelector('audio').currentTime > 0.3")
    assert playhead(minute) > 0


@pytest.mark.parametrize(
    ("strip", "number", "start"),
    [("foote · section", 1, 20), ("even · section", 1, 30), ("ann · section", 2, 40)],
)
def test_click_on_a_segment_plays_from_its_start(minute, strip, number, start):
    segment(minute, strip, number).click()
    wait_until(minute, f"document.querySelector('audio').currentTime > {start} + 0.2")
    assert start < audio_time(minute) < start + 5
    assert not minute.evaluate("document.querySelector('audio').paused")


def test_segment_that_sounds_is_marked_in_every_strip(minute):
    segment(minute, "foote · section", 1).click()
    pause(minute)
    marked = minute.locator(".segment.is-current").all_text_contents()
    assert marked == [IMAGE, "one", "B", "one"]


@pytest.mark.parametrize(("modifiers", "time"), [([], 15), (["Shift"], 45)])
def test_click_on_the_matrix_seeks_to_either_moment(minute, modifiers, time):
    click_at(minute, ".matrix canvas", 0.25, 0.75, modifiers=modifiers)
    assert audio_time(minute) == pytest.approx(time, abs=0.3)
    cross = minute.evaluate("document.querySelector('.matrix-body').style.getPropertyValue('--at')")
    assert float(cross.rstrip("%")) == pytest.approx(100 * time / 60, abs=0.5)


def test_both_moments_of_the_matrix_can_be_heard_without_a_key(minute):
    click_at(minute, ".matrix canvas", 0.25, 0.75)
    for time in (45, 15):
        minute.get_by_role("button", name=f"Play from 0:{time}").click()
        wait_until(minute, f"document.querySelector('audio').currentTime > {time}")
        assert time < audio_time(minute) < time + 5


@pytest.mark.parametrize("name", ["Waveform: position", "novelty foote: position"])
def test_click_on_a_curve_seeks(minute, name):
    click_at(minute, f"canvas[aria-label='{name}']", 0.5)
    assert audio_time(minute) == pytest.approx(30, abs=0.2)
    assert playhead(minute) == pytest.approx(50, abs=0.5)


def test_keyboard_walks_along_a_strip_and_plays(minute):
    segment(minute, "foote · section", 0).focus()
    minute.keyboard.press("ArrowRight")
    minute.keyboard.press("ArrowRight")
    minute.keyboard.press("Enter")
    wait_until(minute, "document.querySelector('audio').currentTime > 40")


def test_keyboard_moves_the_playhead(minute):
    minute.get_by_role("slider", name="Waveform: position").focus()
    minute.keyboard.press("ArrowRight")
    minute.keyboard.press("PageUp")
    assert audio_time(minute) == pytest.approx(35)
    minute.keyboard.press("Shift+ArrowLeft")
    assert audio_time(minute) == pytest.approx(34.5)


@pytest.mark.parametrize(
    ("key", "time"), [("ArrowUp", 35), ("ArrowDown", 25), ("Home", 0), ("End", 60)]
)
@pytest.mark.parametrize("name", ["Waveform: position", "Self-similarity, bright is similar: "])
def test_sliders_know_the_keys_of_a_slider(minute, name, key, time):
    minute.evaluate("document.querySelector('audio').currentTime = 30")
    wait_until(
        minute, "Math.round(parseFloat(document.querySelector('.playhead').style.left)) == 50"
    )
    minute.get_by_role("slider", name=name).press(key)
    assert playhead(minute) == pytest.approx(100 * time / 60, abs=0.1)


def paused(page):
    return page.evaluate("document.querySelector('audio').paused")


def test_space_plays_and_pauses_after_a_click_on_the_waveform(minute):
    click_at(minute, "canvas[aria-label='Waveform: position']", 0.5)
    minute.keyboard.press("Space")
    wait_until(minute, "document.querySelector('audio').currentTime > 30.2")
    minute.keyboard.press("Space")
    assert paused(minute)
    assert minute.evaluate("window.scrollY") == 0


def test_space_pauses_the_segment_that_was_clicked_and_goes_on_from_there(minute):
    segment(minute, "foote · section", 1).click()
    wait_until(minute, "document.querySelector('audio').currentTime > 20.2")
    minute.keyboard.press("Space")
    assert paused(minute)
    stopped = audio_time(minute)
    assert stopped > 20.2
    minute.keyboard.press("Space")
    assert not paused(minute)
    assert audio_time(minute) >= stopped


def test_space_on_another_segment_plays_from_its_start(minute):
    segment(minute, "foote · section", 1).click()
    minute.keyboard.press("ArrowRight")
    minute.keyboard.press("Space")
    wait_until(minute, "document.querySelector('audio').currentTime > 40")
    assert not paused(minute)


def repeats(page):
    """Return whether the control of repetition is pressed, and what is announced."""
    pressed = page.get_by_role("button", name="Repeat section").get_attribute("aria-pressed")
    return pressed == "true", page.locator("#player").get_by_role("status").inner_text()


def test_section_repeats_until_the_key_is_pressed_again(minute):
    assert repeats(minute) == (False, "")
    segment(minute, "even · section", 0).focus()
    minute.keyboard.press("l")
    assert repeats(minute) == (True, "Repeats one, 0:00 to 0:30, of even · section")
    assert minute.locator(".is-repeated").all_inner_texts() == ["one"]
    minute.keyboard.press("Space")
    for _ in range(2):
        minute.evaluate("document.querySelector('audio').currentTime = 29.8")
        wait_until(minute, "document.querySelector('audio').currentTime < 1")
        wait_until(minute, "document.querySelector('audio').currentTime > 0.1")
    minute.keyboard.press("L")
    assert repeats(minute) == (False, "Repeat is off")
    assert minute.locator(".is-repeated").count() == 0
    minute.evaluate("document.querySelector('audio').currentTime = 29.8")
    wait_until(minute, "document.querySelector('audio').currentTime > 30.1")


def test_key_plays_the_section_in_focus_and_repeats_another_one_then(minute):
    for number, start in ((1, 20), (2, 40)):
        segment(minute, "ann · section", number).focus()
        minute.keyboard.press("l")
        wait_until(minute, f"document.querySelector('audio').currentTime > {start}")
        assert not paused(minute)
        assert (
            minute.locator(".is-repeated")
            .get_attribute("aria-label")
            .startswith(segment(minute, "ann · section", number).inner_text())
        )


def test_last_section_repeats_from_the_end_of_the_recording(minute):
    segment(minute, "foote · section", 2).click()
    minute.get_by_role("button", name="Repeat section").click()
    minute.evaluate("document.querySelector('audio').currentTime = 59.5")
    wait_until(minute, "document.querySelector('audio').currentTime < 59")
    wait_until(minute, "document.querySelector('audio').currentTime > 40.1")
    assert not paused(minute)


def test_repetition_moves_to_the_section_that_is_gone_to(minute):
    minute.get_by_role("button", name="Repeat section").click()
    assert repeats(minute)[1].startswith("Repeats A, 0:00 to 0:20, of foote")
    minute.get_by_role("slider", name="Waveform: position").press("PageUp")
    assert repeats(minute)[1].startswith("Repeats B, 0:20 to 0:40, of foote")
    segment(minute, "ann · section", 2).click()
    assert repeats(minute)[1].startswith("Repeats verse, 0:40 to 1:00, of ann")
    minute.evaluate("document.querySelector('audio').currentTime = 5")
    wait_until(minute, "document.querySelector('#player output').textContent.includes('0:00')")
    assert repeats(minute)[1].startswith("Repeats verse, 0:00 to 0:20, of ann")


def test_letter_of_a_menu_repeats_nothing(minute):
    minute.get_by_role("combobox", name="boundaries of").press("l")
    assert repeats(minute) == (False, "")


def test_keys_are_listed_on_request(minute):
    keys = minute.locator("#keys")
    assert not keys.get_by_text("play or pause").is_visible()
    keys.get_by_text("Keys", exact=True).click()
    assert keys.locator("kbd").all_inner_texts()[:2] == ["Space", "L"]
    assert keys.get_by_text("play or pause").is_visible()


def test_sections_are_listed_on_request_with_their_times(minute):
    minute.get_by_text("List of sections").click()
    rows = """[...document.querySelectorAll(".sections tbody tr")]
      .map((row) => row.innerText.split("\\t"))"""
    assert minute.evaluate(rows) == [
        ["0:00.00", "0:20.00", "20.00", "A"],
        ["0:20.00", "0:40.00", "20.00", "B"],
        ["0:40.00", "1:00.00", "20.00", "A"],
    ]
    minute.get_by_role("combobox", name="of").first.select_option("ann · section")
    assert [row[3] for row in minute.evaluate(rows)] == ["verse", IMAGE, "verse"]


def test_row_of_a_section_plays_and_is_marked(minute):
    minute.get_by_text("List of sections").click()
    minute.get_by_role("cell", name="B", exact=True).click()
    wait_until(minute, "document.querySelector('audio').currentTime > 20")
    assert minute.locator(".sections tr.is-current").inner_text().startswith("0:20.00")


def test_keyboard_walks_down_the_list_of_sections_and_plays(minute):
    minute.get_by_text("List of sections").press("Enter")
    minute.locator(".sections .start").first.focus()
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        minute.keyboard.press(key)
    wait_until(minute, "document.querySelector('audio').currentTime > 40")


def test_segments_tell_what_they_are_to_those_who_do_not_see(minute):
    label = segment(minute, "foote · section", 1).get_attribute("aria-label")
    assert label == "B, 0:20 to 0:40: play"


def test_page_without_its_recording_says_so_and_still_has_a_playhead(visit, run):
    page = visit(f"pages/{SILENT_ID}.html")
    assert page.get_by_text(f"audio not found at {run / 'gone.wav'}").is_visible()
    segment(page, "foote · section", 1).click()
    assert playhead(page) == pytest.approx(100 / 3, abs=0.01)
    assert page.locator(".clock").text_content() == "0:20 / 1:00"
    assert page.get_by_role("button", name="Repeat section").count() == 0
    page.get_by_text("Keys", exact=True).click()
    assert "Space" not in page.locator("#keys kbd").all_inner_texts()


# ---- links and the way back ---------------------------------------------------------------


def linked(page):
    return urlsplit(page.url).fragment


@pytest.mark.parametrize(
    ("link", "time"), [("t=41.5", 41.5), ("t=30,40", 30), ("t=99", 60), ("t=x", 0), ("targets", 0)]
)
@pytest.mark.parametrize("track", ["minute", SILENT_ID])
def test_link_opens_a_track_at_its_time(visit, track, link, time):
    page = visit("index.html")
    page.goto(page.url.replace("index.html", f"pages/{quote(track)}.html#{link}"))
    assert playhead(page) == pytest.approx(100 * time / 60, abs=0.01)
    if track == "minute":
        wait_until(page, "document.querySelector('audio').readyState > 0")
        assert audio_time(page) == pytest.approx(time, abs=0.1)


@pytest.mark.parametrize("track", ["minute", SILENT_ID])
def test_address_links_to_the_time_that_was_gone_to(visit, track):
    page = visit(f"pages/{track}.html")
    pages = page.evaluate("history.length")
    segment(page, "foote · section", 1).click()
    wait_until(page, "location.hash === '#t=20'")
    assert page.evaluate("history.length") == pages
    page.evaluate("location.hash = '#t=33.3'")
    wait_until(
        page, "Math.abs(parseFloat(document.querySelector('.playhead').style.left) - 55.5) < 1"
    )


def test_address_keeps_a_link_to_a_part_of_the_page(visit):
    page = visit("pages/minute.html")
    page.evaluate("location.hash = '#targets'")
    page.reload()
    wait_until(page, "document.querySelector('audio').readyState > 0")
    page.wait_for_timeout(600)  # twice as long as the address waits
    assert page.evaluate("location.hash") == "#targets"


def test_address_links_to_where_the_recording_was_paused(minute):
    segment(minute, "foote · section", 1).click()
    wait_until(minute, "document.querySelector('audio').currentTime > 20.5")
    pause(minute)
    wait_until(minute, "Number(location.hash.slice(3)) > 20.4")
    assert float(linked(minute)[2:]) == pytest.approx(audio_time(minute), abs=0.1)


def test_address_of_a_track_that_was_only_opened_has_no_time(minute):
    minute.wait_for_timeout(500)
    assert linked(minute) == ""


def test_menus_agree_with_what_is_shown_after_the_way_back(minute):
    minute.get_by_text("List of sections").click()
    minute.get_by_text(re.compile("All [0-9]+ measures")).click()
    menus = [minute.get_by_role("combobox", name=name) for name in ("of", "against")]
    menus[0].first.select_option("ann · section")
    menus[1].select_option("ann · all levels")
    minute.get_by_role("link", name="previous track").click()
    minute.get_by_role("heading", level=1).wait_for()
    minute.go_back()
    wait_until(minute, "document.querySelector('#measures select').value !== '0'")
    sections = minute.get_by_role("group", name="Sections of ann · section")
    wait_until(minute, "document.querySelector('.sections').checkVisibility()")
    assert sections.is_visible()
    assert minute.evaluate(ROWS, "#measures")[1] == ["T-Measure reduced", "0.250"]


# ---- looking ------------------------------------------------------------------------------


def test_page_whose_copy_of_the_recording_is_lost_says_so_once(context, run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "assets" / "audio" / "minute.wav").unlink()
    page = context.new_page()
    page.goto((copy / "pages" / "minute.html").as_uri())
    player = page.get_by_label("Player")
    player.get_by_role("status").wait_for()
    page.locator(".strip button").nth(1).click()
    page.keyboard.press("l")
    page.wait_for_timeout(200)
    assert player.get_by_role("status").all_inner_texts() == [
        "cannot be played: ../assets/audio/minute.wav is missing, or unknown to this browser"
    ]
    assert page.get_by_role("slider", name="Waveform").get_attribute("aria-valuenow") == "20"
    assert player.get_by_role("button", name="Repeat section").count() == 0
    assert page.locator(".is-repeated").count() == 0
    page.close()


def test_matrix_is_drawn_without_reading_pixels_back(minute):
    shot = minute.locator(".matrix canvas").screenshot()
    colors = decoded(shot)
    height, width = colors.shape[:2]
    same, different = (colors[int(y * height), int(x * width)] for x, y in ((0.8, 0.1), (0.5, 0.1)))
    assert same.sum() > different.sum() + 200


def decoded(png):
    import io

    from matplotlib.image import imread

    return np.round(255 * imread(io.BytesIO(png))[:, :, :3]).astype(int)


def test_key_of_the_matrix_has_the_limits_and_colors_of_its_image(minute):
    key = minute.locator(".key")
    assert key.inner_text().split("\n") == ["similarity \u2264 0.00", "\u2265 1.00"]
    colors = decoded(key.locator("i").screenshot())
    matrix = decoded(minute.locator(".matrix canvas").screenshot())
    height, width = matrix.shape[:2]
    middle = colors.shape[0] // 2
    for end, (x, y) in ((3, (0.5, 0.9)), (-4, (0.1, 0.9))):
        np.testing.assert_allclose(
            colors[middle, end], matrix[int(y * height), int(x * width)], atol=30
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_follows_the_color_scheme(visit, scheme):
    page = visit("index.html")
    page.emulate_media(color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in background.strip("rgb()").split(","))
    assert (brightness > 600) == (scheme == "light")


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["index.html", "pages/minute.html"])
def test_page_fits_the_width_of_the_window(visit, name, width):
    page = visit(name)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_strips_and_curves_share_their_time_axis(minute):
    boxes = minute.evaluate(
        """[...document.querySelectorAll(".row-body, .playhead-lane")]
          .map((body) => body.getBoundingClientRect())
          .map((box) => [box.left, box.right])"""
    )
    assert len({(round(left), round(right)) for left, right in boxes}) == 1


# ---- a long recording ---------------------------------------------------------------------


@pytest.fixture
def long_page(visit, run):
    """Open the page of half an hour that is cut every five seconds."""
    form = Segmentation(np.arange(0, 1801, 5), ["A", "B"] * 180)
    estimate = Annotation(segmentation=form, system="foote", confidence=(None, *[0.5] * 359))
    write_jams(run / "tracks" / "long.jams", Jams(annotations=(estimate,), duration=1800.0))
    edges = np.linspace(0, 1800, 361)
    np.savez(
        run / "arrays" / "long.npz",
        waveform=np.tile(np.array([[-100], [100]], np.int8), 600),
        novelty_foote=np.ones(361, np.float32),
        novelty_edges_foote=edges,
    )
    build(run, figures=False)
    page = visit("pages/long.html")
    yield page
    for path in (run / "tracks" / "long.jams", run / "arrays" / "long.npz"):
        path.unlink()
    build(run, figures=False)


def scrolled(page):
    return page.evaluate("document.querySelector('.scroller').scrollLeft")


def in_sight(page, selector):
    return page.evaluate(
        """(selector) => {
          const box = document.querySelector(selector).getBoundingClientRect();
          const sight = document.querySelector(".row canvas").getBoundingClientRect();
          return sight.left - 1 <= box.left && box.left <= sight.right + 1;
        }""",
        selector,
    )


def test_sections_of_a_long_recording_are_wide_enough_for_their_labels(long_page):
    widths = "[...document.querySelectorAll('button.segment span')].map((text) => text.offsetWidth)"
    assert min(long_page.evaluate(widths)) > 0
    assert long_page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_what_a_curve_shows_is_read_to_the_end(long_page):
    name = long_page.locator(".curve .row-name")
    assert name.inner_text() == "probability of a boundary, foote"
    over = "(name) => [name.scrollWidth - name.clientWidth, name.scrollHeight - name.clientHeight]"
    assert name.evaluate(over) == [0, 0]


def test_timeline_scrolls_to_the_playhead_when_it_jumps(long_page):
    long_page.get_by_role("slider", name="Waveform: position").press("End")
    assert scrolled(long_page) > 0
    assert in_sight(long_page, ".playhead")
    long_page.keyboard.press("Home")
    assert scrolled(long_page) == 0


def test_click_on_a_scrolled_timeline_seeks_to_what_is_seen_there(long_page):
    long_page.evaluate("document.querySelector('.scroller').scrollLeft = 3000")
    click_at(long_page, "canvas[aria-label='Waveform: position']", 0.5)
    expected = long_page.evaluate(
        """100 * (3000 + document.querySelector(".row canvas").clientWidth / 2)
          / document.querySelector(".row-body").clientWidth"""
    )
    assert playhead(long_page) == pytest.approx(expected, abs=0.05)
    assert scrolled(long_page) == 3000


def test_zoom_shows_more_or_all_and_keeps_the_playhead_in_sight(long_page):
    span = "document.querySelector('.row-body').clientWidth"
    long_page.get_by_role("slider", name="Waveform: position").press("End")
    before = long_page.evaluate(span)
    long_page.get_by_role("button", name="Zoom in").click()
    assert long_page.evaluate(span) == pytest.approx(2 * before, abs=1)
    assert in_sight(long_page, ".playhead")
    long_page.get_by_role("button", name="Show the whole recording").click()
    assert long_page.evaluate(span) == long_page.evaluate(
        "document.querySelector('.row canvas').clientWidth"
    )
    assert long_page.get_by_role("button", name="Zoom out").is_disabled()


def test_whole_of_a_long_recording_is_printed_in_light_colors_and_shown_as_before_then(long_page):
    long_page.emulate_media(color_scheme="dark")
    long_page.evaluate("document.querySelector('.scroller').scrollLeft = 3000")
    seen = """() => {
      const ticks = [...document.querySelectorAll(".rows .axis span")];
      return {
        hidden: document.querySelector(".row-body").clientWidth
          - document.querySelector(".row canvas").clientWidth,
        last: ticks.at(-1).textContent,
        ticks: ticks.length,
        ink: getComputedStyle(document.documentElement).getPropertyValue("--ink"),
      };
    }"""
    before = long_page.evaluate(seen)
    long_page.evaluate(
        f"window.addEventListener('beforeprint', () => {{ window.printed = ({seen})(); }})"
    )
    long_page.pdf()
    printed = long_page.evaluate("printed")
    assert (printed["hidden"], printed["last"]) == (0, "30:00")
    assert printed["ticks"] < 30
    assert printed["ink"] == "#1a1e23"
    assert before["hidden"] > 5000
    assert (long_page.evaluate(seen), scrolled(long_page)) == (before, 3000)


def test_list_of_sections_is_printed_to_its_end(long_page):
    long_page.get_by_text("List of sections").click()
    hidden = """() => {
      const list = document.querySelector(".sections");
      return list.scrollHeight - list.clientHeight;
    }"""
    assert long_page.evaluate(hidden) > 5000
    long_page.emulate_media(media="print")
    assert long_page.evaluate(hidden) == 0


@pytest.mark.parametrize("name", ["index.html", "pages/minute.html"])
def test_paper_is_not_dark(visit, name):
    page = visit(name)
    page.emulate_media(media="print", color_scheme="dark")
    color = "getComputedStyle(document.querySelector('h1')).color"
    assert page.evaluate(color) == "rgb(26, 30, 35)"


def test_tab_leads_to_the_section_at_the_playhead(long_page):
    wave = long_page.get_by_role("slider", name="Waveform: position")
    wave.press("PageUp")
    wave.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert long_page.evaluate(focused) == "A, 0:30 to 0:35: play"
    long_page.keyboard.press("ArrowRight")
    long_page.evaluate("location.hash = '#t=100'")
    wait_until(long_page, "document.querySelector('.is-current').textContent === 'A'")
    assert long_page.evaluate(focused) == "B, 0:35 to 0:40: play"
    stops = "document.querySelectorAll('.strip [tabindex=\"0\"]').length"
    assert long_page.evaluate(stops) == 1


def test_player_that_stays_in_sight_hides_nothing_in_focus_and_is_not_hidden(long_page):
    long_page.set_viewport_size({"width": 640, "height": 450})
    strip = "document.querySelector('.strip').getBoundingClientRect()"
    long_page.evaluate(f"window.scrollBy(0, {strip}.top - 20)")
    long_page.evaluate("document.querySelector('.curve canvas').focus({ preventScroll: true })")
    assert long_page.evaluate(f"{strip}.top") == pytest.approx(20, abs=1)
    under = """() => {
      const sight = document.querySelector(".player").getBoundingClientRect();
      return document.activeElement.getBoundingClientRect().top - sight.bottom;
    }"""
    for _ in range(2):
        long_page.keyboard.press("Shift+Tab")
        assert long_page.evaluate(under) >= 0
    over = """() => {
      const name = document.querySelector(".row-name");
      const sight = document.querySelector(".player").getBoundingClientRect();
      window.scrollBy(0, name.getBoundingClientRect().top - sight.top - 10);
      const { left, top } = name.getBoundingClientRect();
      return document.elementFromPoint(left + 5, top + 5).closest(".player, .row-name").className;
    }"""
    assert long_page.evaluate(over) == "player"


def test_index_is_named_after_its_folder(visit):
    page = visit("index.html")
    assert page.locator("h1").inner_text() == "run 1"
    assert page.title() == "run 1: 2 tracks, 2 systems · scatseg"


def test_index_sorts_by_a_click_and_back_by_another(visit):
    page = visit("index.html")
    titles = "[...document.querySelectorAll('.tracks tbody a')].map((link) => link.href)"
    first = page.evaluate(titles)
    column = page.locator(".tracks").get_by_role("button", name="F at 0.5 s")
    column.click()
    falling = page.evaluate(titles)
    column.click()
    # One track has no scores and stays last; the other comes first either way.
    assert falling[0].endswith("minute.html")
    assert page.evaluate(titles) == falling
    page.locator(".tracks").get_by_role("button", name="Track").click()
    assert page.evaluate(titles) == first


@pytest.fixture
def many(visit, run):
    """Open the index of two tracks and of seven more, songs 0 to 6."""
    one = Annotation(segmentation=Segmentation([0, 60], ["A"]), system="foote")
    names = [*(f"song {i}" for i in range(6)), "Cafe\u0301"]
    songs = [run / "tracks" / f"{name}.jams" for name in names]
    for path in songs:
        write_jams(path, Jams(annotations=(one,), duration=60.0))
    build(run, figures=False)
    yield visit("index.html")
    for path in songs:
        path.unlink()
    build(run, figures=False)


def test_tracks_of_one_title_are_told_apart_and_found_by_their_id(many):
    names = many.locator(".tracks .track-name")
    shown = {names.nth(i).inner_text().split("\n")[-1] for i in range(names.count())}
    assert {"minute", SILENT_ID, "song 0"} <= shown
    many.get_by_role("searchbox", name="Find a track").fill("minute")
    assert many.locator(".tracks tbody tr:visible").count() == 1


def test_the_way_back_from_a_track_leads_to_the_tracks_found(many):
    box, rows = many.get_by_role("searchbox"), many.locator(".tracks tbody tr:visible")
    box.fill(" song 3 ")
    rows.get_by_role("link").click()
    many.go_back()
    wait_until(many, "document.querySelector('[type=search]').value === ' song 3 '")
    assert rows.count() == 1


def test_the_way_back_from_a_track_keeps_the_order_what_was_open_and_the_place(many):
    titles = "[...document.querySelectorAll('.tracks tbody a')].map((link) => link.href)"
    opened = "[...document.querySelectorAll('details')].map((details) => details.open)"
    many.set_viewport_size({"width": 1280, "height": 400})
    many.get_by_text("Differences between systems").first.click()
    column = many.locator(".tracks").get_by_role("button", name="Track")
    column.click()
    column.click()
    many.locator(".tracks tbody a").nth(5).scroll_into_view_if_needed()
    left = [many.evaluate(what) for what in (titles, opened, "scrollY")]
    assert left[0] != sorted(left[0])
    assert True in left[1]
    assert left[2] > 0
    many.locator(".tracks tbody a").nth(5).click()
    many.wait_for_url("**/pages/*")
    many.go_back()
    many.wait_for_url("**/index.html")
    wait_until(many, f"scrollY === {left[2]}")
    assert [many.evaluate(what) for what in (titles, opened, "scrollY")] == left
    assert many.locator(".tracks th[aria-sort=descending]").inner_text().startswith("Track")


def test_order_by_a_column_that_a_rebuilt_page_lacks_is_forgotten(visit):
    page = visit("index.html")
    first = page.locator(".tracks tbody").inner_text()
    page.evaluate(
        """for (let i = 0; i < 9; i++) {
          history.replaceState({ ...history.state, [`sorted ${i}`]: ["Gone", true] }, "");
        }"""
    )
    page.reload()
    assert page.locator(".tracks tbody").inner_text() == first


def test_index_leads_past_its_scores_to_the_tracks(visit):
    page = visit("index.html")
    page.set_viewport_size({"width": 1280, "height": 300})
    assert page.evaluate("scrollY") == 0
    page.get_by_role("link", name="2 tracks, 2 systems").click()
    wait_until(page, "document.querySelector('#tracks').getBoundingClientRect().top < 300")


def test_title_from_right_to_left_stays_apart_from_what_follows(visit, run, aba):
    title = "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER YOD} (01)!"
    path = run / "tracks" / "hebrew.jams"
    one = Annotation(segmentation=aba, system="foote")
    sandbox = {"scatseg": {"warnings": ["careful"]}}
    write_jams(path, Jams(annotations=(one,), duration=60.0, title=title, sandbox=sandbox))
    build(run, figures=False)
    page = visit("index.html")
    link = page.get_by_role("link", name=title)
    row = page.locator(".tracks tbody tr").filter(has=link)
    texts = """(row) => [row.querySelector("a"), row.querySelector(".tag")].map((shown) => {
      const range = document.createRange();
      range.selectNodeContents(shown);
      return [...range.getClientRects()].map(({ left, right }) => [left, right]);
    })"""
    words, tag = row.evaluate(texts)
    assert max(right for _, right in words) <= min(left for left, _ in tag)
    link.click()
    # Of "!" at its end, the right edge of the letters and the left edge of the page.
    edges = """(heading) => {
      const range = document.createRange();
      const at = (i) => {
        range.setStart(heading.firstChild, i);
        range.setEnd(heading.firstChild, i + 1);
        return range.getBoundingClientRect().left;
      };
      return [at(0), at(7), heading.getBoundingClientRect().left];
    }"""
    letter, mark, left = page.get_by_role("heading", level=1).evaluate(edges)
    assert mark == pytest.approx(left, abs=1)
    assert letter > mark
    path.unlink()
    build(run, figures=False)


@pytest.mark.parametrize("name", ["index.html", "pages/minute.html"])
def test_sections_keep_their_colors_where_the_user_forces_others(visit, name):
    page = visit(name)
    colors = """[...new Set([...document.querySelectorAll(".segment")]
      .map((segment) => getComputedStyle(segment).backgroundColor))]"""
    chosen = page.evaluate(colors)
    page.emulate_media(forced_colors="active")
    assert page.evaluate(colors) == chosen
    assert len(chosen) > 1


def test_sections_keep_their_colors_on_paper(minute):
    pdf = minute.pdf()
    streams = re.finditer(rb"/Filter /FlateDecode\s/Length ([0-9]+)>> stream\n", pdf)
    painted = b"".join(zlib.decompress(pdf[m.end() : m.end() + int(m[1])]) for m in streams)
    color = minute.evaluate("getComputedStyle(document.querySelector('.segment')).backgroundColor")
    red, green, blue = (int(part) / 255 for part in color[4:-1].split(","))
    fills = [tuple(map(float, fill.split())) for fill in re.findall(rb"([\d. ]+) rg", painted)]
    assert any(np.allclose(fill, (red, green, blue), atol=1e-3) for fill in fills)


def test_tracks_are_found_by_part_of_their_name(many):
    rows, none = many.locator(".tracks tbody tr:visible"), many.get_by_text("No track has that")
    assert (rows.count(), none.is_visible()) == (9, False)
    box = many.get_by_role("searchbox", name="Find a track")
    box.fill("SONG 3")
    assert (rows.all_inner_texts()[0].split("\t")[0].strip(), rows.count()) == ("song 3", 1)
    assert not none.is_visible()
    for accented in ("caf\xe9", "cafe\u0301", "CAFE", "c\xe0fe"):
        box.fill(accented)
        assert rows.count() == 1
    box.fill("song 33")
    assert (rows.count(), none.is_visible()) == (0, True)
    box.fill("")
    assert (rows.count(), none.is_visible()) == (9, False)


def test_scores_are_sorted_by_a_click_and_show_their_intervals(visit):
    page = visit("index.html")
    table = page.locator("#summary .scores").first
    column = table.get_by_role("button", name="F at 0.5 s")
    means = """[...document.querySelectorAll("#summary .scores")[0].querySelectorAll("tbody tr")]
      .map((row) => parseFloat(row.cells[2].textContent))"""
    column.click()
    falling = page.evaluate(means)
    assert falling == sorted(falling, reverse=True)
    column.click()
    assert page.evaluate(means) == sorted(falling)
    assert table.locator("th[aria-sort=ascending]").count() == 1


def test_numbers_are_rounded_as_in_the_tables(visit):
    page = visit("index.html")
    for digits, values in (
        (1, (23.25, 10.25, 10.75, 0.15, 0.25, -232.25, 1e9 + 0.25, 7.0)),
        (3, (0.0625, 0.1875, 0.0005, 2.0625, 0.7185)),
    ):
        shown = page.evaluate("([all, n]) => all.map((x) => page.fixed(x, n))", [values, digits])
        assert shown == [f"{value:.{digits}f}" for value in values]


def test_differences_between_systems_open_on_request(visit):
    page = visit("index.html")
    cell = page.get_by_role("cell", name="Pairwise F").first
    assert not cell.is_visible()
    page.get_by_text("Differences between systems").click()
    assert cell.is_visible()


def test_figures_of_the_scores_are_seen(context, run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    page = context.new_page()
    page.goto(build(copy, audio="none").as_uri())
    height = page.evaluate("document.body.scrollHeight")
    page.locator("#figures img").last.scroll_into_view_if_needed()
    wait_until(page, "[...document.querySelectorAll('#figures img')].every((i) => i.naturalWidth)")
    assert page.locator("#figures img").count() > 0
    assert page.evaluate("document.body.scrollHeight") == height
    page.close()


def test_outdated_scores_give_way_to_what_to_do_and_what_was_found(visit, run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    facts = json.loads((copy / "summary.json").read_text())
    facts["estimates"] = {**fingerprints(copy), "minute": "of another estimate"}
    (copy / "summary.json").write_text(json.dumps(facts))
    page = visit(build(copy, audio="none", figures=False))
    said = page.locator("#summary").get_by_role("status").inner_text()
    assert said.startswith("The scores are outdated, and left out. 1 of 2 scored tracks changed")
    assert said.endswith("score them again by `scatseg evaluate`.")
    assert page.locator("#summary h2").all_inner_texts() == ["Scores", "Systems"]
    assert page.locator("#summary .scores").count() == 0
    rows = page.evaluate(ROWS, "#summary table")
    assert [row[0] for row in rows] == ["System", "foote · section", "even · section"]
    assert page.get_by_text("nothing was scored").count() == 0


ROWS = """(selector) => [...document.querySelectorAll(`${selector} tr`)]
  .map((row) => [...row.cells].map((cell) => cell.innerText))"""


def test_scores_of_a_track_have_a_heading_per_reference_and_no_empty_row(minute):
    rows = minute.evaluate(ROWS, "#scores > .table-scroll:first-of-type tbody")
    headings = [row[0] for row in rows if len(row) == 1]
    assert headings == ["ann · section", f"{SCRIPT} · section"]
    assert all(set(row[1:]) != {"\N{EN DASH}"} for row in rows if len(row) > 1)


def test_scores_of_all_levels_are_a_table_of_their_own(minute):
    rows = minute.evaluate(ROWS, "#scores > .table-scroll:last-child")
    assert rows == [
        ["System", "T reduced", "T full", "L"],
        ["foote", "0.250", "0.500", "0.750"],
    ]


def test_all_measures_have_a_row_each_and_a_column_per_system(minute):
    minute.get_by_text(re.compile("All [0-9]+ measures")).click()
    rows = minute.evaluate(ROWS, "#measures")
    assert [name.split()[0] for name in rows[0]] == [
        "Measure", "foote", "even", "no", "evenly", "random", "other"
    ]  # fmt: skip
    assert rows[1][0] == "Precision@0.5"
    minute.get_by_role("combobox", name="against").select_option("ann · all levels")
    assert minute.evaluate(ROWS, "#measures")[1:] == [
        ["T-Measure reduced", "0.250"],
        ["T-Measure full", "0.500"],
        ["L-Measure", "0.750"],
    ]


@pytest.mark.parametrize("width", [1280, 1400])
def test_no_table_of_a_track_is_cut_off(minute, width):
    minute.set_viewport_size({"width": width, "height": 800})
    minute.get_by_text(re.compile("All [0-9]+ measures")).click()
    hidden = (
        "[...document.querySelectorAll('.table-scroll')].map((t) => t.scrollWidth - t.clientWidth)"
    )
    assert max(minute.evaluate(hidden)) == 0


def test_neighbors_lead_from_track_to_track(visit):
    page = visit(f"pages/{SILENT_ID}.html")
    page.get_by_role("link", name="next track").click()
    page.wait_for_url("**/pages/minute.html")
    page.get_by_role("link", name="previous track").click()
    page.wait_for_url(lambda url: unquote(url).endswith(f"/pages/{SILENT_ID}.html"))


# ---- a search -----------------------------------------------------------------------------


@pytest.fixture
def answer(tmp_path, aba_signal):
    """Two hits, one of a recording that is gone, all of hostile names."""
    source = tmp_path / "minute.wav"
    save(source, *aba_signal)
    rate = Reason(
        band=Band(family="scattering", order=2, carrier=8, rate=2),
        relevance=0.5,
        carrier=440.0,
        rate=4.0,
    )
    slower = dataclasses.replace(rate, rate=0.5)
    near = Hit(
        track=SCRIPT,
        path=str(source),
        start=40.0,
        end=48.0,
        similarity=0.91,
        timbre=0.92,
        course=0.9,
        semitones=-2,
        likeness=Likeness(0.92, alike=(rate, slower), apart=(slower,)),
    )
    gone = dataclasses.replace(near, track=IMAGE, path=str(tmp_path / "gone.wav"), likeness=None)
    return Answer(query=IMAGE, path=source, start=2.0, end=10.0, hits=(near, gone), notes=(SCRIPT,))


@pytest.fixture
def hits_page(context, answer, tmp_path):
    page, wrongs = context.new_page(), []
    page.on("console", lambda message: wrongs.append(message.text))
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    page.on("dialog", lambda dialog: (wrongs.append(dialog.message), dialog.dismiss()))
    page.goto(build_hits(answer, tmp_path / "page").as_uri())
    yield page
    page.close()
    assert wrongs == []


def test_a_hit_plays_and_silences_the_query(hits_page):
    query, hit = (f"document.querySelectorAll('audio')[{i}]" for i in range(2))
    for sound, other in ((query, hit), (hit, query)):
        hits_page.evaluate(f"{sound}.play()")
        wait_until(hits_page, f"{sound}.currentTime > 0.2")
        assert hits_page.evaluate(f"{other}.paused")
    assert hits_page.evaluate(f"{hit}.duration") == pytest.approx(8)


def test_a_hit_plays_on_after_its_end_was_sought(hits_page):
    sound = "document.querySelectorAll('audio')[1]"
    hits_page.evaluate(f"{sound}.play()")
    wait_until(hits_page, f"{sound}.currentTime > 0.2")
    hits_page.evaluate(f"{sound}.currentTime = 7.8")
    wait_until(hits_page, f"{sound}.currentTime > 7.9")
    hits_page.evaluate(f"{sound}.currentTime = 1")
    hits_page.evaluate(f"{sound}.play()")
    wait_until(hits_page, f"{sound}.currentTime > 1.2")
    assert hits_page.get_by_text("cannot be played").count() == 1  # that of the lost recording


def test_a_hit_whose_audio_is_lost_says_so(context, answer, tmp_path):
    path = build_hits(answer, tmp_path / "page")
    lost = path.parent / "audio" / "hit-01.flac"
    lost.unlink()
    page = context.new_page()
    page.goto(path.as_uri())
    note = page.locator(".hits tbody tr").first.get_by_role("status")
    assert "cannot be played: audio/hit-01.flac is missing, or" in note.inner_text()
    assert page.get_by_role("status").count() == 1
    page.close()


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_no_hit_is_cut_off(hits_page, width):
    hits_page.set_viewport_size({"width": width, "height": 800})
    hidden = """[...document.querySelectorAll(".table-scroll")]
      .map((table) => table.scrollWidth - table.clientWidth)"""
    assert hits_page.evaluate(hidden) == [0]


def test_first_reason_of_a_hit_is_shown_and_the_others_on_request(hits_page):
    row = hits_page.locator(".hits tbody tr").first
    assert row.get_by_text("Alike in").first.is_visible()
    assert not row.get_by_text("Differs most in").is_visible()
    row.get_by_text("2 more").click()
    assert row.get_by_text("Also alike in").is_visible()
    assert row.get_by_text("Differs most in").is_visible()


def test_sounds_that_are_cut_say_so(context, answer, tmp_path, monkeypatch):
    monkeypatch.setattr(hits, "_LONGEST", 5.0)
    page = context.new_page()
    page.goto(build_hits(answer, tmp_path / "page").as_uri())
    for place in ("#query", ".hits tbody tr:first-child"):
        assert page.locator(place).get_by_text("plays the first 5 s of 8 s").is_visible()
    assert page.evaluate("document.querySelector('audio').duration") <= 5
    page.close()


def test_hits_say_where_they_are_and_why(hits_page):
    assert hits_page.get_by_role("heading", level=1).text_content() == f"What sounds like {IMAGE}"
    row = hits_page.locator(".hits tbody tr").first
    for text in (SCRIPT, "0:40.00\N{EN DASH}0:48.00", "\N{MINUS SIGN}2 semitones", "0.910", "4 Hz"):
        assert row.get_by_text(text).first.is_visible()
    assert hits_page.get_by_text("cannot be played").is_visible()
    assert hits_page.get_by_text("Course: whether the same happens at the same").is_visible()
    assert hits_page.locator("main img").count() == 0


def test_hits_have_a_rank_and_negative_numbers_a_minus_sign(context, answer, tmp_path):
    opposite = dataclasses.replace(answer.hits[0], course=-0.25)
    page = context.new_page()
    page.goto(build_hits(dataclasses.replace(answer, hits=(opposite,)), tmp_path / "page").as_uri())
    page.set_viewport_size({"width": 1280, "height": 800})
    head, hit = page.evaluate(ROWS, ".hits")
    assert (head[0], hit[0]) == ("Rank", "1")
    assert (head[5], hit[5]) == ("Course", "\N{MINUS SIGN}0.250")
    assert "-" not in page.locator("#hits > div > .hint").inner_text()
    page.close()


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_of_a_search_fits_the_width_of_the_window(hits_page, width):
    hits_page.set_viewport_size({"width": width, "height": 800})
    assert hits_page.evaluate("document.documentElement.scrollWidth") <= width


# ---- sounds that were matched -------------------------------------------------------------


@pytest.fixture(scope="module")
def descents_page(context, tmp_path_factory):
    """Open the page of two descents to a chirp, aligned and delayed: one at it, one far off."""
    pytest.importorskip("torch")
    from scatseg.matching import Match, runs, tasks
    from scatseg.report.descents import build_descents

    truth = {"f_c": 512.0, "f_m": 8.0, "gamma": 1.0}
    task = tasks.task_of("am-chirp:sr=4096,duration=1.0", ranges={}, fixed={}, truth=truth)
    found = []
    for shift, end in ((0, [512.0, 8.0, 1.0]), (512, [512.0, 16.0, -1.0])):
        trajectory = np.array([[400.0, 6.0, 2.0], end])
        led = Match(
            theta=trajectory[1],
            trajectory=trajectory,
            losses=np.array([1.0, 0.5 if shift else 0.25]),
            gradient_norms=np.ones(2),
            converged=True,
            reason="at rest",
            at_bounds=("gamma",) if shift else (),
        )
        found.append(
            runs.Descent(loss=SCRIPT, shift=shift, match=led, truth=task.truth, seconds=1.0)
        )
    folder = tmp_path_factory.mktemp("descents")
    page, wrongs = context.new_page(), []
    page.on("console", lambda message: wrongs.append(message.text))
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    page.goto(build_descents(folder, found, task).as_uri())
    yield page
    page.close()
    assert wrongs == []


def test_descents_say_units_delays_and_how_far_they_are_off(descents_page):
    descents_page.set_viewport_size({"width": 1280, "height": 900})
    head, near, far = descents_page.evaluate(ROWS, ".descents")
    assert head[1:] == [
        "Delay (ms)", "Start", "Result", "Lowest loss", "f_c (Hz)", "f_m (Hz)", "gamma (octaves/s)"
    ]  # fmt: skip
    assert (near[0], near[1], near[6].split("\n")) == (SCRIPT, "0", ["8", "0.000 octaves"])
    assert (far[1], far[6].split("\n")) == ("125", ["16", "+1.000 octaves"])
    assert far[7].split("\n") == ["\N{MINUS SIGN}1", "0.000 octaves, wrong sign, at its bound"]
    assert "f_m 8 Hz" in descents_page.locator("#subtitle").inner_text()


def test_descents_are_sorted_by_their_lowest_loss(descents_page):
    column = descents_page.get_by_role("button", name="Lowest loss")
    for losses in (["0.5", "0.25"], ["0.25", "0.5"]):
        column.click()
        assert [row[4] for row in descents_page.evaluate(ROWS, ".descents")[1:]] == losses


def test_every_sound_of_a_match_has_a_name_and_a_file(descents_page):
    names = "[...document.querySelectorAll('audio')].map((a) => a.getAttribute('aria-label'))"
    assert descents_page.evaluate(names) == [
        "Target",
        "Target, delayed by 512 samples (125 ms)",
        *(f"{what} of descent {k}, {SCRIPT}" for k in (1, 2) for what in ("Start", "Result")),
    ]
    wait_until(
        descents_page, "[...document.querySelectorAll('audio')].every((a) => a.readyState > 0)"
    )


@pytest.mark.parametrize("width", [390, 800, 1010, 1280])
def test_no_descent_is_cut_off(descents_page, width):
    descents_page.set_viewport_size({"width": width, "height": 800})
    assert descents_page.evaluate("document.documentElement.scrollWidth") <= width
    hidden = """[...document.querySelectorAll(".table-scroll")]
      .map((table) => table.scrollWidth - table.clientWidth)"""
    assert descents_page.evaluate(hidden) == [0]
