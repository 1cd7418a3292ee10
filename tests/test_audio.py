import errno
import hashlib
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from tests import hostile
from tests.measuring import peak_memory

from scatseg import audio
from scatseg.audio import AUDIO_EXTENSIONS, AudioError, AudioWarning, decode, load, save
from scatseg.audio.sources import printable

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture(scope="module")
def hostiles(tmp_path_factory):
    return {item.name: item for item in hostile.make(tmp_path_factory.mktemp("hostile"))}


@pytest.fixture
def write(tmp_path):
    """Write samples or bytes; return the path."""

    def written(name, content, sr=22050, **options):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            soundfile.write(path, content, sr, **options)
        return path

    return written


@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: case.name)
def test_hostile_input_meets_its_outcome(case, hostiles):
    item = hostiles[case.name]
    if item.outcome == "ok":
        y = decode(item.path).y
        assert y.dtype == np.float32
        assert np.abs(y).max() <= 1
        assert y.size >= 2
    else:
        with pytest.raises(getattr(audio, item.outcome), match=re.escape(printable(item.path))):
            decode(item.path)


def test_hostile_names_are_unique():
    assert len({case.name for case in hostile.CASES}) == len(hostile.CASES) >= 56


def test_a_walk_picks_up_every_hostile_file():
    suffixes = {Path(os.fsdecode(case.filename)).suffix.lower() for case in hostile.CASES}
    assert suffixes <= AUDIO_EXTENSIONS


# Channels, rates, levels.


def test_channels_are_averaged(write):
    path = write("stereo.wav", np.tile([0.5, 0.25], (100, 1)), subtype="FLOAT")
    np.testing.assert_array_equal(decode(path).y, np.full(100, 0.375, np.float32))


def test_load_gives_the_signal_and_its_rate(write):
    y, sr = load(write("mono.wav", np.full(44100, 0.5), 44100), sr=16000)
    assert (y.shape, y.dtype, sr, type(sr)) == ((16000,), np.float32, 16000, int)


def test_native_rate_is_kept_on_request(write, rng):
    samples = rng.uniform(-1, 1, 1000).astype(np.float32)
    y, sr = load(write("mono.wav", samples, 12345, subtype="FLOAT"), sr=None)
    assert sr == 12345
    np.testing.assert_array_equal(y, samples)


@pytest.mark.parametrize("native_sr", [1000, 8000, 44100, 48000, 192_000, 768_000])
@pytest.mark.parametrize("n_frames", [199, 10_001, 70_000])
def test_streamed_resampling_equals_one_shot(write, rng, native_sr, n_frames):
    samples = rng.uniform(-0.5, 0.5, n_frames).astype(np.float32)
    y = decode(write("noise.wav", samples, native_sr, subtype="FLOAT")).y
    assert y.size == int(n_frames * 22050 / native_sr + 0.5)
    np.testing.assert_allclose(y, soxr.resample(samples, native_sr, 22050, "HQ"), atol=1e-6)


@pytest.mark.parametrize("native_sr", [8000, 16000, 44100, 48000, 96000])
def test_click_stays_in_place(write, native_sr):
    samples = np.zeros(4 * native_sr)
    samples[3 * native_sr] = 0.9
    y = decode(write("click.wav", samples, native_sr)).y
    assert np.argmax(y) == 3 * 22050


def test_sr_must_be_positive(write):
    with pytest.raises(ValueError, match="positive whole number of Hz, got 0"):
        decode(write("a.wav", np.zeros(10)), sr=0)


def test_antiphase_uses_the_loudest_channel(write, rng):
    left = rng.uniform(-0.5, 0.5, 5000).astype(np.float32)
    recording = decode(write("a.wav", np.column_stack([left, -1.01 * left]), subtype="FLOAT"))
    np.testing.assert_allclose(recording.y, -1.01 * left, atol=1e-7)
    assert "channel 2, the loudest, is used alone" in recording.warnings[0]


@pytest.mark.parametrize("channels", [2, 33])
def test_unrelated_channels_do_not_count_as_antiphase(write, rng, channels):
    samples = rng.uniform(-0.5, 0.5, (5000, channels))
    assert decode(write("a.wav", samples)).warnings == ()


@pytest.mark.parametrize("channels", [2, 33])
def test_silent_channels_do_not_count_as_antiphase(write, rng, channels):
    samples = np.zeros((5000, channels))
    samples[:, 0] = rng.uniform(-0.5, 0.5, 5000)
    assert decode(write("a.wav", samples)).warnings == ()


def test_slight_overshoot_is_scaled_without_a_word(write):
    recording = decode(write("a.wav", np.array([0.75, -1.5, 0]), subtype="FLOAT"))
    np.testing.assert_array_equal(recording.y, np.float32([0.5, -1, 0]))
    assert recording.warnings == ()


def test_gross_overshoot_is_scaled_with_a_warning(write):
    recording = decode(write("a.wav", np.array([5, -10, 0.0]), subtype="FLOAT"))
    np.testing.assert_array_equal(recording.y, np.float32([0.5, -1, 0]))
    assert "10 times full scale" in recording.warnings[0]


def test_silence_is_a_signal_and_a_warning(hostiles):
    recording = decode(hostiles["silence"].path)
    assert not recording.y.any()
    assert recording.warnings == ("silent: every sample is 0",)


def test_the_first_bad_sample_is_named(write):
    samples = np.zeros((44100, 2))
    samples[22050, 1] = samples[33000, 0] = np.nan
    with pytest.raises(audio.InvalidSamplesError, match=r"22050 \(1.000 s\) of channel 2 is nan"):
        decode(write("a.wav", samples, subtype="FLOAT"))


# Complete, truncated and joined files.


ENCODINGS = {
    "a.wav": {},
    "b.wav": {"subtype": "IMA_ADPCM"},
    "a.aiff": {},
    "a.au": {},
    "a.caf": {},
    "a.w64": {},
    "a.rf64": {},
    "a.flac": {},
    "a.ogg": {},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "constant.mp3": {"bitrate_mode": "CONSTANT", "compression_level": 0.5},
    "average.mp3": {"bitrate_mode": "AVERAGE", "compression_level": 0.5},
    "variable.mp3": {"bitrate_mode": "VARIABLE", "compression_level": 0.5},
}


@pytest.fixture
def passage(rng):
    """Two seconds in stereo at 48 kHz: a tone and noise of varying level."""
    t = np.arange(96000) / 48000
    tone = 0.3 * np.sin(2 * np.pi * 220 * t)
    return np.column_stack([tone, tone + (t % 0.5 < 0.2) * rng.normal(scale=0.1, size=t.size)])


@pytest.mark.parametrize(("name", "options"), ENCODINGS.items(), ids=ENCODINGS)
def test_a_whole_file_is_read_whole_and_without_a_word(write, passage, name, options):
    path = write(name, passage, 48000, **options)
    recording = decode(path, sr=None, strict=True)
    assert recording.warnings == ()
    assert recording.read_frames == recording.declared_frames
    assert recording.read_frames == pytest.approx(96000, abs=2000)  # ADPCM pads its last block
    assert (recording.channels, recording.native_sr) == (2, 48000)
    reference, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(recording.y, reference.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au", "a.w64", "a.rf64"])
def test_cut_pcm_tells_what_was_declared(write, passage, name):
    data = write(name, passage, 48000).read_bytes()
    recording = decode(write(name, data[: len(data) // 2]))
    assert recording.declared_frames == 96000
    assert recording.read_frames == pytest.approx(48000, abs=50)
    assert "of 96000 declared samples could be decoded" in recording.warnings[0]


@pytest.mark.parametrize("name", ["a.flac", "constant.mp3", "variable.mp3"])
def test_cut_compressed_file_tells_what_was_declared(write, passage, name):
    data = write(name, passage, 48000, **ENCODINGS[name]).read_bytes()
    recording = decode(write(name, data[: len(data) // 2]))
    assert recording.declared_frames == 96000
    assert 30_000 < recording.read_frames < 60_000
    assert recording.y.size == pytest.approx(recording.read_frames * 22050 / 48000, abs=0.51)
    assert f"{recording.read_frames} of 96000 declared" in recording.warnings[0]


@pytest.mark.parametrize("name", ["cut WAV", "cut FLAC", "cut MP3", "cut Ogg", "two MP3 joined"])
def test_strict_refuses_what_is_not_whole(hostiles, name):
    with pytest.raises(audio.TruncatedAudioError, match="a whole file is needed"):
        decode(hostiles[name].path, strict=True)


def test_ogg_without_its_last_page_has_no_end(write, passage):
    path = write("a.ogg", passage, 48000)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert decode(path).warnings[0] == "cut off or damaged: the Ogg stream has no end"


@pytest.mark.parametrize(("sr", "resampled"), [(48000, True), (22050, False)])
def test_too_short_files_tell_their_samples_once(write, sr, resampled):
    path = write("short.wav", np.zeros(1), sr)
    with pytest.raises(audio.TooShortError, match=f"got 1 at {sr} Hz") as caught:
        decode(path, sr=22050)
    assert ("which makes" in str(caught.value)) == resampled


def test_an_interrupted_recording_is_not_called_too_short(write, rng):
    path = write("a.wav", rng.uniform(-1, 1, 48000), 48000)
    data = bytearray(path.read_bytes())
    data[40:44] = bytes(4)  # the size of its samples, which is written last
    path.write_bytes(data)
    with pytest.raises(audio.NotAudioError, match="says 0 samples, but the file has 96,044 bytes"):
        decode(path)


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "constant.mp3"])
def test_joined_files_are_noticed(write, passage, name):
    data = write(name, passage, 48000, **ENCODINGS[name]).read_bytes()
    recording = decode(write(name, data + data))
    assert recording.read_frames == 96000
    assert "joined" in recording.warnings[0]


def test_flac_that_declares_too_few_samples_is_noticed(write, passage):
    data = bytearray(write("a.flac", passage, 48000).read_bytes())
    data[22:26] = (24_000).to_bytes(4, "big")  # of 96,000
    recording = decode(write("b.flac", bytes(data)))
    assert recording.read_frames == 24_000
    (warning,) = recording.warnings
    assert re.search(r"about [12] s\) were not decoded: its header declares only 24000", warning)


def test_mp3_of_variable_rate_without_a_length_is_decoded_to_its_end(hostiles):
    recording = decode(hostiles["MP3 without a length"].path, strict=True)
    assert recording.declared_frames is None
    assert recording.duration == pytest.approx(6, abs=0.1)
    assert np.abs(recording.y[-22050:]).max() > 0.1
    assert recording.warnings == ()


@pytest.mark.parametrize(
    "tags", [b"TAG" + bytes(125), b"APETAGEX" + bytes(200_000)], ids=["ID3v1", "APE"]
)
@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_tags_behind_the_sound_are_not_missing_audio(write, passage, name, tags):
    data = write(name, passage, 48000).read_bytes()
    assert decode(write(name, data + tags)).warnings == ()


def test_mp3_is_found_behind_tags_and_padding(write, passage):
    path = write("a.mp3", passage, 48000)
    plain = decode(path)
    picture = b"ID3\x03\0\0\0\x7f\x7f\x7f" + bytes(0x1FFFFF)  # a tag of 2 MB
    tagged = decode(write("b.mp3", picture + b"ID3\x03\0\0\0\0\0\x05title\0\0" + path.read_bytes()))
    np.testing.assert_array_equal(plain.y, tagged.y)


def test_flac_is_found_behind_a_tag(write, passage):
    data = write("a.flac", passage, 48000).read_bytes()
    tagged = decode(write("b.flac", b"ID3\x03\0\0\0\0\0\x05title" + data))
    assert (tagged.format, tagged.read_frames) == ("FLAC", 96000)


# Standard error.


@pytest.mark.parametrize("sr", [44100, 24000, 11025])
def test_mp3_is_found_from_its_first_whole_frame(write, passage, rng, sr):
    data = write("a.mp3", passage, sr).read_bytes()
    y = decode(write("a.mp3", data), sr=None).y
    middle = y[len(y) // 2 :][:2048]
    tag_of_a_wrong_size = b"ID3\x03\0\0\0\x7f\x7f\x7f"
    for number, start in enumerate((b"", rng.bytes(5000), tag_of_a_wrong_size)):
        cut = decode(write(f"{number}.mp3", start + data[1000:]), sr=None)
        assert "bytes are not whole frames of MP3" in cut.warnings[0]
        assert len(cut.y) == pytest.approx(len(y), abs=sr)
        lag = np.correlate(cut.y, middle, "valid").argmax()
        np.testing.assert_allclose(cut.y[lag : lag + 2048], middle, atol=1e-4)


@pytest.mark.parametrize("name", ["cut MP3", "MP3 with a hole", "ID3 tag alone"])
def test_decoders_write_nothing_to_standard_error(hostiles, capfd, name):
    with suppress(audio.NotAudioError):
        decode(hostiles[name].path)
    assert capfd.readouterr() == ("", "")


def test_what_a_decoder_wrote_becomes_a_warning(hostiles):
    recording = decode(hostiles["MP3 with a hole"].path)
    assert any(text.startswith("decoder: Note: ") for text in recording.warnings)


def test_standard_error_works_after_decoding(hostiles, capfd):
    decode(hostiles["cut MP3"].path)
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"


def test_threads_decode_mp3_alike(hostiles):
    path = hostiles["MP3"].path
    alone = decode(path).y
    with ThreadPoolExecutor(4) as pool:
        for recording in pool.map(decode, [path] * 8):
            np.testing.assert_array_equal(recording.y, alone)


@linux
def test_no_descriptor_stays_open(hostiles):
    descriptors = Path("/proc/self/fd")
    before = len([*descriptors.iterdir()])
    for item in hostiles.values():
        with suppress(AudioError):
            decode(item.path)
    assert len([*descriptors.iterdir()]) == before


# Limits.


def test_a_header_that_lies_allocates_nothing(hostiles):
    path = hostiles["FLAC declaring 1.6 GB"].path
    assert peak_memory(decode, path) < 3e6


def test_a_file_never_lies_whole_in_memory_at_its_own_rate(write):
    path = write("long.wav", np.zeros((10 * 96000, 4)), 96000)
    decoded = 10 * 96000 * 4 * 4
    assert peak_memory(decode, path) < decoded / 3


@pytest.mark.parametrize("sr", [22050, 16000])
def test_only_the_result_is_held_in_memory(write, sr):
    path = write("long.wav", np.zeros(300 * 22050), 22050)
    n_bytes = 300 * sr * np.dtype(np.float32).itemsize
    assert n_bytes <= peak_memory(decode, path, sr=sr) < 1.3 * n_bytes


def test_declared_length_is_checked_before_decoding(write):
    path = write("a.wav", np.zeros(22050))
    assert decode(path, max_bytes=4 * 22050).y.size == 22050
    with pytest.raises(audio.TooLongError, match=r"declares .* h, but .* limit .* raise max_bytes"):
        decode(path, max_bytes=4 * 22050 - 1)


def test_length_is_checked_while_decoding(hostiles):
    with pytest.raises(audio.TooLongError, match=r"does not end, but .* limit"):
        decode(hostiles["FLAC of unknown length"].path, max_bytes=100_000)


# Paths.


@linux
def test_names_that_are_not_utf8_open_in_every_spelling(hostiles):
    path = hostiles["not UTF-8"].path
    expected = decode(path).y
    for spelling in (os.fsencode(path), str(path)):
        np.testing.assert_array_equal(decode(spelling).y, expected)


def test_messages_stay_on_one_line_and_encode(tmp_path):
    name = os.fsdecode(b"two\nlines \xff.wav")
    with pytest.raises(audio.UnreadableAudioError, match=r"two\\nlines \\xff\.wav: ") as caught:
        decode(tmp_path / name)
    assert str(caught.value).encode("utf-8").count(b"\n") == 0


@pytest.mark.parametrize("name", ["さくら\u3000一.wav", "sans\u00a0titre.wav", "می\u200cروم.wav"])
def test_spaces_and_joiners_of_names_are_kept_in_messages(name, tmp_path):
    with pytest.raises(audio.MissingAudioError) as caught:
        decode(tmp_path / name)
    assert name in str(caught.value)


@linux
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo.wav")
    with pytest.raises(audio.UnreadableAudioError, match="a device or a pipe"):
        decode(tmp_path / "fifo.wav")


@linux
def test_a_device_has_no_hash_and_is_not_waited_for():
    with pytest.raises(audio.UnreadableAudioError, match="a device or a pipe"):
        audio.file_hash(Path(os.devnull))


def test_load_warns_with_the_name_of_the_file(hostiles):
    with pytest.warns(AudioWarning, match=r"silence\.wav: silent"):
        load(hostiles["silence"].path)


# FFmpeg.


def test_m4a_without_ffmpeg_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = write("a.m4a", b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(audio.NotAudioError, match=r'MPEG-4.*pip install "scatseg\[ffmpeg\]"'):
        decode(path)


def test_m4a_with_ffmpeg_keeps_a_click_in_place(tmp_path):
    av = pytest.importorskip("av", reason="needs the ffmpeg extra")
    samples = np.zeros((1, 44100 * 2), np.float32)
    samples[0, 44100:44200] = 0.9
    with av.open(tmp_path / "a.m4a", "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    recording = decode(tmp_path / "a.m4a", sr=None, strict=True)
    assert (recording.format, recording.warnings) == ("AAC", ())
    assert np.flatnonzero(recording.y > 0.5)[[0, -1]] == pytest.approx([44100, 44199], abs=2)


# Saving.


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "A.WAV"])
def test_integers_survive_a_round_trip(tmp_path, rng, name):
    y = rng.uniform(-1, 1, 5000)
    save(tmp_path / name, y, 22050)
    recording = decode(tmp_path / name)
    assert recording.sr == recording.native_sr == 22050
    np.testing.assert_allclose(recording.y, y, atol=2**-14)


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.mp3"])
def test_lossy_formats_keep_length_and_level(tmp_path, name):
    y = 0.5 * np.sin(np.arange(48000) / 20)
    save(tmp_path / name, y, 48000)
    again = decode(tmp_path / name, sr=None).y
    assert again.size == y.size
    assert np.corrcoef(again, y)[0, 1] > 0.99


@pytest.mark.parametrize("bad", [1.01, -3.0, np.nan, np.inf])
def test_saving_clips_nothing(tmp_path, bad):
    with pytest.raises(audio.InvalidSamplesError, match=r"a\.wav: y must be finite and in \[-1, 1"):
        save(tmp_path / "a.wav", [0, bad, 0], 22050)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sr", [22050, 22050.0, np.int64(22050)])
def test_saving_accepts_the_rates_that_loading_does(tmp_path, sr):
    save(tmp_path / "a.wav", [0.0, 0.5], sr)
    assert decode(tmp_path / "a.wav", sr=sr).native_sr == 22050


@pytest.mark.parametrize("sr", [0, 22050.5, "22050"])
def test_saving_refuses_rates_that_are_none(tmp_path, sr):
    with pytest.raises(ValueError, match="sr must be a positive whole number of Hz, got"):
        save(tmp_path / "a.wav", [0.0, 0.5], sr)
    assert list(tmp_path.iterdir()) == []


def test_saving_names_the_known_formats(tmp_path):
    with pytest.raises(AudioError, match=r"cannot save as '\.xyz'; use one of \.wav, \.flac"):
        save(tmp_path / "a.xyz", [0.0], 22050)


def test_saving_into_no_folder_names_the_file_given(tmp_path):
    path = tmp_path / "none" / "a.wav"
    with pytest.raises(FileNotFoundError) as caught:
        save(path, [0.0], 22050)
    assert caught.value.filename == str(path)


def test_saving_wants_one_channel(tmp_path):
    with pytest.raises(AudioError, match=r"shape \(n_samples,\), got \(3, 2\)"):
        save(tmp_path / "a.wav", np.zeros((3, 2)), 22050)


def test_a_refused_rate_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"old")
    with pytest.raises(AudioError, match=r"MP3 MPEG_LAYER_III at 12345 Hz cannot be written"):
        save(path, np.zeros(1000), 12345)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(path, np.zeros(1000), 22050)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


# Real music.


@pytest.mark.corpus
def test_real_mp3_are_whole_and_equal_one_read(shared):
    paths = sorted((shared / "corpus").glob("real_*/audio/*.mp3"))
    assert paths
    for path in paths:
        recording = decode(path, sr=None, strict=True)
        assert recording.warnings == ()
        reference = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
        reference /= max(1, np.abs(reference).max())
        np.testing.assert_allclose(recording.y, reference, atol=1e-6)


@pytest.mark.corpus
@pytest.mark.slow
def test_half_an_hour_fits_in_600_megabytes(shared):
    path = shared / "corpus" / "real_unannotated" / "planetblupi_long.ogg"
    script = (
        "import resource, sys\n"
        "from scatseg.audio import decode\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = rss()\n"
        "y = decode(sys.argv[1]).y\n"
        "print(y.size / 22050, (rss() - before) * 1024)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    seconds, grown = map(float, run.stdout.split())
    assert seconds == pytest.approx(27.9 * 60, abs=6)
    assert grown < 600e6


# Streams.


@pytest.mark.parametrize("native_sr", [22050, 44100, 8000])
@pytest.mark.parametrize("loudness", [0.5, 1.3])
def test_a_stream_has_the_samples_of_the_whole(tmp_path, native_sr, loudness):
    x = loudness * np.sin(np.arange(5 * native_sr) * 0.05)
    soundfile.write(tmp_path / "a.wav", np.stack([x, x / 2], axis=1), native_sr, subtype="FLOAT")
    stream, whole = audio.stream(tmp_path / "a.wav"), audio.decode(tmp_path / "a.wav")
    for _ in range(2):  # repeatable
        np.testing.assert_allclose(np.concatenate(list(stream)), whole.y, atol=1e-7)
    assert (stream.n_samples, stream.sr) == (whole.y.size, whole.sr)
    assert stream.warnings == whole.warnings


def test_a_stream_of_channels_that_cancel_uses_the_loudest(tmp_path):
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 22050)
    soundfile.write(tmp_path / "a.wav", np.stack([0.9 * x, -x], axis=1), 22050)
    stream, whole = audio.stream(tmp_path / "a.wav"), audio.decode(tmp_path / "a.wav")
    assert stream.channel == 1
    np.testing.assert_array_equal(np.concatenate(list(stream)), whole.y)


def test_streams_of_mp3_can_be_read_side_by_side(tmp_path):
    audio.save(tmp_path / "a.mp3", 0.3 * np.sin(np.arange(5 * 22050) * 0.1), 22050)
    script = (
        "import sys; from scatseg import audio; a, b = (audio.stream(sys.argv[1]) for _ in 'ab');"
        "print(all((x == y).all() for x, y in zip(a, b, strict=True)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.mp3")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "True"


def test_standard_error_is_the_callers_between_blocks(tmp_path, capfd):
    audio.save(tmp_path / "a.mp3", 0.3 * np.sin(np.arange(5 * 22050) * 0.1), 22050)
    for _ in audio.stream(tmp_path / "a.mp3"):
        os.write(2, b"heard\n")
    assert set(capfd.readouterr().err.split()) == {"heard"}


def test_a_stream_of_no_audio_is_refused_before_it_begins(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"nothing to hear")
    with pytest.raises(audio.NotAudioError, match="is needed"):
        audio.stream(tmp_path / "a.wav")


def test_a_header_tells_how_many_samples_there_will_be(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(44100), 44100)
    assert audio.declared_samples(tmp_path / "a.flac", sr=22050) == 22050
    assert audio.declared_samples(tmp_path / "a.flac", sr=None) == 44100


@pytest.mark.parametrize("n_frames", [5, 7, 9, 11])
def test_a_header_tells_as_many_samples_as_are_decoded(tmp_path, n_frames):
    soundfile.write(tmp_path / "a.wav", np.zeros(n_frames), 44100)
    assert audio.declared_samples(tmp_path / "a.wav") == decode(tmp_path / "a.wav").y.size


@pytest.mark.parametrize("sr", [0, -5, 22.05, "22050", np.nan])
def test_a_header_is_not_asked_at_an_impossible_rate(tmp_path, sr):
    soundfile.write(tmp_path / "a.wav", np.zeros(9), 44100)
    with pytest.raises(ValueError, match=f"sr must be a positive whole number of Hz, got {sr!r}"):
        audio.declared_samples(tmp_path / "a.wav", sr=sr)


def test_a_file_is_hashed_by_any_kind_of_path(tmp_path):
    path = tmp_path / "caf\u00e9.wav"
    path.write_bytes(b"abc")
    hashes = {audio.file_hash(each) for each in (path, os.fspath(path), os.fsencode(path))}
    assert hashes == {hashlib.sha256(b"abc").hexdigest()}


@pytest.mark.parametrize("read", [audio.load, audio.decode, audio.stream, audio.file_hash])
def test_a_missing_file_is_an_error_of_audio_and_of_python(tmp_path, read):
    for kind in (audio.AudioError, FileNotFoundError):
        with pytest.raises(kind, match=r"nothing\.wav: .*No such file") as caught:
            read(tmp_path / "nothing.wav")
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (type(caught.value), str(caught.value))
        for error in (caught.value, again):
            assert (error.errno, error.filename) == (errno.ENOENT, str(tmp_path / "nothing.wav"))
