"""Labels of sounds from hand-written tables and from folders."""

import numpy as np
import pytest

from scatseg import audio
from scatseg.labelled import LabelError, label_counts, read_labelled


@pytest.fixture
def folder(tmp_path):
    """Six short sounds in audio/, without a table."""
    (tmp_path / "audio").mkdir()
    for name in "abcdef":
        audio.save(tmp_path / "audio" / f"{name}.wav", np.full(800, 0.1), 8000)
    return tmp_path


def table(folder, text, encoding="utf-8"):
    (folder / "index.csv").write_bytes(text.encode(encoding))
    return read_labelled(folder)


def test_a_table_gives_labels_and_groups(folder):
    found = table(folder, "file,label,group,meta\na.wav,kick,1,x\nb.wav,snare,2,\n")
    assert [(clip.id, clip.label, clip.group, clip.meta) for clip in found.clips] == [
        ("a.wav", "kick", "1", "x"),
        ("b.wav", "snare", "2", ""),
    ]
    assert found.clips[0].path == folder / "audio" / "a.wav"
    assert found.has_groups
    assert (found.failures, found.notes) == ((), ())


def test_a_file_beside_the_table_comes_before_one_in_audio(folder):
    audio.save(folder / "a.wav", np.full(800, 0.2), 8000)
    assert table(folder, "file,label\na.wav,kick\n").clips[0].path == folder / "a.wav"


def test_the_table_itself_can_be_named(folder):
    table(folder, "file,label\na.wav,kick\n")
    assert len(read_labelled(folder / "index.csv").clips) == 1


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("file,label\r\na.wav,größer\r\n", "utf-8"),
        ("file,label\na.wav,größer\n", "utf-8-sig"),
        ("file,label\na.wav,größer\n", "cp1252"),
        ("file,label\na.wav,größer\n", "utf-16"),
        ("file;label\na.wav;größer\n", "utf-8"),
        ("file\tlabel\na.wav\tgrößer\n", "utf-8"),
        ('FILE , Label\n"a.wav"," größer "\n', "utf-8"),
        ("label,file\n\ngrößer,a.wav\n,\n", "utf-8"),
        ("file,label\n" + "a.wav,größer\n" * 3, "utf-8"),
        ("file,label,,\na.wav,größer,,\n", "utf-8"),
        ("file,label\na.wav,größer\n./a.wav,größer\naudio/a.wav,größer\n", "utf-8"),
    ],
)
def test_tables_as_people_write_them_are_read(text, encoding, folder):
    found = table(folder, text, encoding)
    assert [(clip.id, clip.label) for clip in found.clips] == [("a.wav", "größer")]
    assert not found.failures


@pytest.mark.parametrize(
    ("separator", "kind"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")]
)
def test_a_stated_separator_is_named(separator, kind, folder):
    found = table(folder, f"sep={separator}\nfile{separator}label\na.wav{separator}kick\n")
    assert [(clip.id, clip.label) for clip in found.clips] == [("a.wav", "kick")]
    assert found.notes == (f"columns are separated by {kind}",)


def test_a_quoted_name_may_hold_commas_and_line_breaks(folder):
    found = table(folder, 'file,label,meta\na.wav,"kick, dry","two\nlines"\n')
    assert found.clips[0].label == "kick, dry"
    assert found.clips[0].meta == "two lines"


def test_repeated_rows_are_counted_and_left_out(folder):
    found = table(folder, "file,label\na.wav,kick\na.wav,kick\na.wav,kick\n")
    assert found.notes == ("2 repeated rows left out",)


def test_columns_that_are_not_used_are_named(folder):
    assert table(folder, "file,label,mood\na.wav,kick,sad\n").notes == ("1 column not used: mood",)


def test_a_column_of_groups_is_used_in_any_case(folder):
    (folder / "index.csv").write_text("file,label,Player\na.wav,kick,Ann\n")
    found = read_labelled(folder, group="Player")
    assert (found.clips[0].group, found.notes) == ("Ann", ())


@pytest.mark.parametrize(
    ("rows", "track", "reason"),
    [
        ("missing.wav,kick,1", "missing.wav", "line 3: there is no such file, nor in audio/"),
        ("b.wav,,1", "b.wav", "line 3: the column 'label' is empty"),
        (",kick,1", "line 3", "names no file"),
        (f"{'b' * 300},kick,1", "b" * 300, "line 3: there is no such file"),
        ("./a.wav,snare,1", "a.wav", "line 3: is kick of group '1' and also snare of group '1'"),
        ("b.wav,kick,1,2,3", "line 3", "has 5 cells, but the header names 3"),
        ("a.wav,snare,1", "a.wav", "line 3: is kick of group '1' and also snare of group '1'"),
        ("a.wav,kick,2", "a.wav", "line 3: is kick of group '1' and also kick of group '2'"),
    ],
)
def test_a_row_that_cannot_be_used_is_a_failure(rows, track, reason, folder):
    found = table(folder, f"file,label,group\na.wav,kick,1\n{rows}\n")
    ((failed, stage, error),) = found.failures
    assert (failed, stage) == (track, "index")
    assert error.startswith(reason)


def test_a_clip_of_two_labels_is_left_out_altogether(folder):
    found = table(folder, "file,label\na.wav,kick\na.wav,snare\na.wav,kick\nb.wav,kick\n")
    assert [clip.id for clip in found.clips] == ["b.wav"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,class\na.wav,kick\n", "the columns file, label are needed, there are filename"),
        ("", "the columns file, label are needed, there are none"),
        ("file,label\n", "a row per sound is needed below the header, there is none"),
        ("file,label,label\na.wav,x,y\n", "each column needs a name of its own"),
        ('file,label\n"a.wav,kick\n', "is a quote not closed"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(text, message, folder):
    with pytest.raises(LabelError, match=message):
        table(folder, text)


def test_bytes_that_are_no_text_are_refused(folder):
    (folder / "index.csv").write_bytes(b"\xff\xfe\x00\xd8\x00")
    with pytest.raises(LabelError, match="is not a text file"):
        read_labelled(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LabelError, match=r"nowhere: a folder of sounds or an index\.csv is needed"):
        read_labelled(tmp_path / "nowhere")


def test_sub_folders_are_labels(tmp_path):
    for name in ("kick/one.wav", "kick/deep/two.wav", "snare/three.wav", ".hidden/x.wav", "y.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        audio.save(tmp_path / name, np.full(800, 0.1), 8000)
    (tmp_path / "kick" / "notes.txt").write_text("no sound")
    found = read_labelled(tmp_path)
    assert {clip.id: clip.label for clip in found.clips} == {
        "kick/deep/two.wav": "kick",
        "kick/one.wav": "kick",
        "snare/three.wav": "snare",
    }
    assert found.notes == ("1 sound in no sub-folder left out",)
    assert not found.has_groups


@pytest.mark.parametrize("names", [{"columns": ("mood",)}, {"group": "mood"}])
def test_a_column_that_is_named_must_be_there(names, folder):
    (folder / "kick").mkdir()
    (folder / "audio").rename(folder / "kick" / "audio")
    with pytest.raises(LabelError, match=r"an index\.csv with the column 'mood' is needed"):
        read_labelled(folder, **names)
    (folder / "index.csv").write_text("file,label,group\nkick/audio/a.wav,kick,1\n")
    with pytest.raises(LabelError, match=r"mood are needed, there are file, label, group"):
        read_labelled(folder, **names)


def test_a_folder_without_labels_says_what_is_needed(folder):
    (folder / "audio").rename(folder / ".audio")
    with pytest.raises(LabelError, match="or sub-folders of sounds named after their labels"):
        read_labelled(folder)


def test_a_sound_below_a_label_is_one_clip_however_it_is_linked(tmp_path):
    for name in ("kick/one", "snare"):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        audio.save(tmp_path / "sounds" / name / "a.wav", np.zeros(100), 8000)
    kick = tmp_path / "sounds/kick"
    (kick / "one/loop").symlink_to(kick, target_is_directory=True)
    (kick / "two").symlink_to(kick / "one", target_is_directory=True)
    (kick / "up").symlink_to(tmp_path / "sounds", target_is_directory=True)
    clips = read_labelled(tmp_path / "sounds").clips
    assert [(clip.id, clip.label) for clip in clips] == [
        ("kick/one/a.wav", "kick"),
        ("snare/a.wav", "snare"),
    ]


def test_several_columns_are_labels_together(folder):
    (folder / "index.csv").write_text("file,what,how\na.wav,violin,vibrato\nb.wav,viola,trill\n")
    found = read_labelled(folder, columns=("what", "how"))
    assert [clip.labels for clip in found.clips] == [("violin", "vibrato"), ("viola", "trill")]
    assert label_counts(found.clips) == {"viola/trill": 1, "violin/vibrato": 1}


def test_sub_folders_give_one_label_only(tmp_path):
    with pytest.raises(LabelError, match=r"several label columns need an index\.csv"):
        read_labelled(tmp_path, columns=("what", "how"))


def test_empty_cells_beyond_the_header_are_no_labels(folder):
    labelled = table(folder, "file,label\na.wav,kick,,\nb.wav,kick,x\n")
    assert [clip.id for clip in labelled.clips] == ["a.wav"]
    (failure,) = labelled.failures
    assert failure.error == "has 3 cells, but the header names 2"


def test_a_sound_is_no_table(folder):
    (folder / "a.wav").write_bytes(b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0" + bytes(range(200)))
    with pytest.raises(LabelError, match="got a binary file"):
        read_labelled(folder / "a.wav")


def test_a_clip_in_two_parts_of_a_split_is_left_out(folder):
    (folder / "index.csv").write_text(
        "file,label,split\na.wav,kick,train\na.wav,kick,test\nb.wav,kick,test\n"
    )
    found = read_labelled(folder)
    assert [(clip.id, clip.split) for clip in found.clips] == [("b.wav", "test")]
    assert "in the part 'train' and also kick of group '' in the part 'test'" in (
        found.failures[0].error
    )
