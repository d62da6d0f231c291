"""Sound and picture of a file stay together, whatever times, holes and rates its streams have: flashes and beeps tell.

A recording flashes and beeps once a second. What is measured in a copy or a result lies within one frame of where it lay in the source.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import config, request
from aio.errors import MediaError
from aio.graph.draw import draw
from aio.job import Job
from aio.media import Clip, probe, stage_media
from aio.media.clock import Clock
from aio.media.streams import read_sound, write_wav
from aio.preview.engine import PreviewEngine
from aio.stop import Stop

SIZE = (128, 64)
FLASH = 0.08
"""Seconds that a flash and a beep last."""


def beeping(seconds: float, rate: int, channels: int = 1, every: float = 1.0) -> np.ndarray:
    """A beep at each whole second but the first."""
    time = np.arange(round(seconds * rate)) / rate
    on = (time % every < FLASH) & (time > every / 2)
    return np.repeat((0.5 * np.sin(2 * np.pi * 880 * time) * on)[None], channels, axis=0).astype(np.float32)


def same(time: float) -> float:
    return time


def recording(
    path: Path, *, seconds: float = 4.5, fps: float = 25.0, picture: Callable[[float], float | None] = same, bframes: int = 0,
    codec: str = "aac", rate: int = 48000, channels: int = 1, sound: Callable[[float], float | None] = same, sound_seconds: float | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A file that flashes and beeps at 1, 2, 3 ... s of what was recorded.

    Args:
        picture, sound: recorded time -> time in the file, of a frame and of a packet; None leaves it out.
        sound_seconds: of the recording, where that is not the picture's.
    """
    packets: list[tuple[float, av.Packet]] = []
    with av.open(str(path), "w", options=options or {}) as container:
        coding = {"preset": "ultrafast", "bf": str(bframes), "g": "25"}
        video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=coding)
        (video.width, video.height), video.pix_fmt = SIZE, "yuv420p"
        video.codec_context.time_base = Fraction(1, 90000)
        audio = container.add_stream(codec, rate=rate, layout={1: "mono", 2: "stereo"}[channels])
        for index in range(round(seconds * fps)):
            at = index / fps
            if (due := picture(at)) is None:
                continue
            lit = at % 1 < FLASH and at > 0.5
            frame = av.VideoFrame.from_ndarray(np.full((SIZE[1], SIZE[0], 3), 255 * lit, np.uint8), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(due * 90000), Fraction(1, 90000)
            packets += [(float(packet.dts * packet.time_base), packet) for packet in video.encode(frame)]
        packets += [(float(packet.dts * packet.time_base), packet) for packet in video.encode(None)]
        wave = beeping(sound_seconds or seconds, rate, channels)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave), format="fltp", layout={1: "mono", 2: "stereo"}[channels])
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packet in [*audio.encode(frame), *audio.encode(None)]:
            due = sound(float(packet.pts * packet.time_base))
            if due is not None:
                moved = round((due - float(packet.pts * packet.time_base)) / packet.time_base)
                packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                packets.append((due, packet))
        for _, packet in sorted(packets, key=lambda one: one[0]):
            container.mux(packet)
    return path


def flashes(path: Path) -> list[float]:
    """Seconds at which the picture gets bright."""
    with av.open(str(path)) as container:
        grey = [(frame.time, frame.to_ndarray(format="gray").mean() > 128) for frame in container.decode(video=0)]
    return [time for (time, lit), (_, before) in zip(grey[1:], grey[:-1]) if lit and not before]


def beeps(wave: np.ndarray, rate: int) -> list[float]:
    """Seconds at which the sound gets loud, to 5 ms."""
    step = rate // 200
    loud = np.abs(wave[0][: wave.shape[1] // step * step]).reshape(-1, step).max(axis=1) > 0.2
    return [index / 200 for index in range(1, len(loud)) if loud[index] and not loud[max(0, index - 8) : index].any()]


def heard(path: Path) -> list[float]:
    """Beeps of a finished file, by the times that a player keeps to."""
    with av.open(str(path)) as container:
        rate, first, blocks = container.streams.audio[0].sample_rate, None, []
        for frame in container.decode(audio=0):
            first = frame.time if first is None else first
            blocks.append(frame.to_ndarray()[:1])
    return [first + at for at in beeps(np.concatenate(blocks, axis=1), rate)]


def staged(path: Path, folder: Path, fps: float = 24.0, seconds: float | None = None) -> Path:
    media = probe(path, "video", "video")
    frames = int((seconds or media.seconds) * fps) // 8 * 8 + 1
    return folder / stage_media(media, "video", folder, clip=Clip(*SIZE, frames, fps))[0]


def hole(begin: float, end: float) -> Callable[[float], float | None]:
    return lambda time: None if begin <= time < end else time


def later(seconds: float) -> Callable[[float], float | None]:
    return lambda time: time + seconds


KINDS = {   # what is odd about a file -> (its suffix, how it is made, by how much each beep comes after its flash)
    "nothing": (".mp4", {}, 0),
    "late sound": (".mp4", {"sound": later(0.578)}, 0.578),
    "late sound of which the beginning is missing": (".mp4", {"sound": hole(0, 0.6)}, 0),
    "late picture": (".mp4", {"picture": later(0.4)}, -0.4),
    "late picture in Matroska": (".mkv", {"picture": later(0.4)}, -0.4),
    "a hole in the sound": (".mkv", {"codec": "libopus", "sound": hole(1.3, 1.9)}, 0),
    "holes of one packet": (".mkv", {"codec": "libopus", "sound": lambda time: None if round(time * 50) % 25 == 20 else time}, 0),
    "a hole in the picture": (".mp4", {"picture": hole(1.2, 2.9)}, 0),
    "all from ten seconds on": (".ts", {"picture": later(10), "sound": later(10)}, 0),
    "an offset from ten seconds on": (".ts", {"picture": later(10.3), "sound": later(10)}, -0.3),
    "frames out of order": (".mp4", {"picture": later(0.5), "bframes": 3, "sound": later(0.5)}, 0),
    "frames out of order in a stream": (".ts", {"picture": later(3), "bframes": 2, "sound": later(3.25)}, 0.25),
    "sound before zero": (".mkv", {"picture": later(0.3), "sound": hole(0, 0.1)}, -0.3),
    "all before zero, where Matroska has no times": (
        ".mkv", {"picture": later(-1.3), "bframes": 2, "sound": later(-1.3), "options": {"avoid_negative_ts": "disabled"}}, 0),
    "a changing rate": (".mp4", {"picture": lambda time: time if round(time * 25) % 3 else time + 0.015}, 0),
    "a thinned-out picture": (".mkv", {"picture": lambda time: time if round(time * 25) % 25 in (0, 2, 7) else None}, 0),
    "overlapping packets": (".mkv", {"codec": "libopus", "sound": lambda time: time if time < 1.5 else time - 0.2}, None),
    "a slow clock of the sound": (".mkv", {"codec": "libopus", "seconds": 20, "sound": lambda time: time * 1.004}, None),
    "a fast clock of the sound": (".mkv", {"codec": "libopus", "seconds": 20, "sound": lambda time: time * 0.996}, None),
    "times to whole milliseconds": (".flv", {"rate": 44100}, 0),
    "sound shorter than the picture": (".mp4", {"sound_seconds": 2.5}, 0),
    "sound longer than the picture": (".mp4", {"sound_seconds": 9.0}, 0),
    "44.1 kHz": (".mp4", {"rate": 44100, "channels": 2}, 0),
    "22.05 kHz": (".mp4", {"rate": 22050}, 0),
    "192 kHz": (".mkv", {"codec": "pcm_s16le", "rate": 192000, "sound": later(0.2)}, 0.2),
    "23.976 frames a second for 20 s": (".mp4", {"fps": 24000 / 1001, "seconds": 20}, 0),
    "12.5 frames a second": (".mp4", {"fps": 12.5}, 0),
    "60 frames a second": (".mp4", {"fps": 60}, 0),
}


@pytest.fixture(scope="module")
def kind(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, dict, float | None]]:
    """The recording of a kind, made once."""
    folder = tmp_path_factory.mktemp("recordings")

    def made(name: str) -> tuple[Path, dict, float | None]:
        suffix, how, distance = KINDS[name]
        path = folder / f"{list(KINDS).index(name)}{suffix}"
        return path if path.exists() else recording(path, **how), how, distance

    return made


def together(path: Path, wanted: float, frame: float, least: int) -> None:
    """Each flash that has a beep near has it at the wanted distance."""
    lit, loud = flashes(path), heard(path)
    pairs = [(flash, min(loud, key=lambda beep: abs(beep - flash - wanted))) for flash in lit if loud[0] - 0.1 <= flash + wanted <= loud[-1] + 0.1]
    assert len(pairs) >= least, (lit, loud)
    assert max(abs(beep - flash - wanted) for flash, beep in pairs) <= frame, (lit, loud)


BRIEF = [name for name, (_, how, _) in KINDS.items() if how.get("seconds", 0) < 20]
"""At another rate than the source's the same arithmetic runs; the long ones tell of clocks that drift, at one."""


@pytest.mark.parametrize(("name", "fps"), [*((name, 24.0) for name in KINDS), *((name, 50.0) for name in BRIEF[::3])])
def test_a_staged_video_keeps_sound_and_picture_together(name, fps, kind, tmp_path):
    source, how, distance = kind(name)
    copy = staged(source, tmp_path, fps)
    if distance is not None:
        source_frame = 1 / how.get("fps", 25)
        together(copy, distance, max(1 / fps, source_frame) if source_frame > 1 / fps else 1 / fps, least=2)
    else:
        move = how["sound"]
        wanted = [move(at) for at in range(1, int(probe(source, "video", "video").seconds))]
        found = heard(copy)
        for at in (time for time in wanted if time < found[-1] + 0.1):
            assert min(abs(at - beep) for beep in found) <= 1 / fps, (wanted, found)
        assert len(found) >= 3


ODD = ("late sound", "late picture", "a changing rate", "all before zero, where Matroska has no times")
"""For whole runs: an engine is given the staged copy, of which every kind is looked at above."""


@pytest.mark.parametrize("name", ODD)
def test_a_preview_keeps_sound_and_picture_together(name, kind, tmp_path):
    source, how, distance = kind(name)
    engine = PreviewEngine(work_dir=tmp_path / "work")
    values = {"video": str(source), "prompt": "x", "control": "none", "width": 256, "height": 256}
    small = request.stage(request.validate(Job(config.compose(["mode=style"]), values)), engine.input_dir)
    made = engine.execute(draw(small), lambda event: None, Stop())
    together(made.video, distance, max(1 / 24, 1 / how.get("fps", 25)), least=2)


@pytest.mark.comfyui
@pytest.mark.parametrize("name", ODD)
def test_comfyui_keeps_sound_and_picture_together(name, kind, comfy):  # noqa: F811
    source, how, distance = kind(name)
    seconds = int(probe(source, "video", "video").seconds)
    run, prompt = comfy.case("mode=style", params={"video": str(source), "control": "none", "seconds": seconds})
    prompt["42"]["inputs"]["images"] = ["81", 0]   # the staged frames themselves: what random weights draw does not flash
    made = comfy.execute(run, prompt)
    together(made.video, distance, max(1 / 24, 1 / how.get("fps", 25)), least=2)


def joined(folder: Path, first: float, second: float) -> Path:
    """Two recordings of 2.4 s put end to end, of which each counts from a time of its own."""
    for name, at in (("a.ts", first), ("b.ts", second)):
        recording(folder / name, seconds=2.4, picture=later(at), sound=later(at), options={"mpegts_flags": "initial_discontinuity"})
    (folder / "joined.ts").write_bytes((folder / "a.ts").read_bytes() + (folder / "b.ts").read_bytes())
    return folder / "joined.ts"


def test_a_recording_that_counts_anew_in_the_middle_goes_on(tmp_path):
    assert probe(joined(tmp_path, 5, 0), "video", "video").seconds == pytest.approx(4.8, abs=0.05)
    copy = staged(tmp_path / "joined.ts", tmp_path)
    together(copy, 0, 0.06, least=4)   # each stream goes on where it ended itself, and the sound ended 46 ms after the picture
    assert flashes(copy) == pytest.approx([1, 2, 3.4, 4.4], abs=0.1)


def test_a_hole_of_hours_takes_neither_memory_nor_patience(tmp_path):
    copy = staged(joined(tmp_path, 0, 40_000), tmp_path, seconds=20)
    assert flashes(copy) == [1, 2] and len(heard(copy)) == 2
    with pytest.raises(MediaError, match=r"joined.ts lasts longer than 4000\d s; the limit is 600"):
        stage_media(probe(tmp_path / "joined.ts", "audio", "audio"), "audio", tmp_path)


def lone(path: Path, folder: Path) -> tuple[np.ndarray, float]:
    """The staged copy of a sound as mono of 48 kHz, and the length that was found."""
    media = probe(path, "audio", "audio")
    return read_sound(folder / stage_media(media, "audio", folder)[0], 48000, 1), media.seconds


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "libopus"), (".m4a", "aac")])
def test_a_hole_in_a_sound_is_silence_and_counts_in_its_length(suffix, codec, tmp_path):
    source = tmp_path / f"speech{suffix}"
    recording(source.with_suffix(".mkv"), codec=codec, sound=hole(1.3, 1.9))
    with av.open(str(source.with_suffix(".mkv"))) as given:
        if suffix != ".mkv":
            with av.open(str(source), "w", format="mp4") as container:
                stream = container.add_stream_from_template(given.streams.audio[0])
                for packet in given.demux(audio=0):
                    if packet.dts is not None:
                        packet.stream = stream
                        container.mux(packet)
    wave, seconds = lone(source, tmp_path)
    assert beeps(wave, 48000) == pytest.approx([1, 2, 3, 4], abs=0.02)
    assert seconds == pytest.approx(4.5, abs=0.05) and wave.shape[1] / 48000 == pytest.approx(seconds, abs=0.02)


@pytest.mark.parametrize("how", [{"sound": later(0.578)}, {"sound": later(10), "picture": later(10)}, {"picture": later(0.4)}])
def test_a_lone_sound_begins_with_its_own_first_sample_whatever_a_picture_does(how, tmp_path):
    wave, seconds = lone(recording(tmp_path / "clip.mp4", **how), tmp_path)
    assert beeps(wave, 48000) == pytest.approx([1, 2, 3, 4], abs=0.025)   # a shifted file shows the 1024 samples that the encoder puts first
    assert seconds == pytest.approx(4.5, abs=0.05)


def test_a_converted_sound_keeps_every_sample_to_the_last_bit(tmp_path):
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 30000)).astype(np.float32)
    write_wav(tmp_path / "noise.wav", noise, 44100)
    media = probe(tmp_path / "noise.wav", "audio", "audio")
    name, facts = stage_media(media, "audio", tmp_path, clip=Clip(64, 64, 25, 24.0))   # longer than the sound
    wave = read_sound(tmp_path / name, 44100, 2)
    assert np.array_equal(wave[:, :30000], noise) and not wave[:, 30000:].any()
    assert wave.shape[1] == facts.seconds * 44100 == -(-25 * 44100 // 24)
    timed = read_sound(tmp_path / "noise.wav", 44100, 2, clock=Clock())
    assert np.array_equal(timed, noise)


if __name__ == "__main__":
    import sys
    import tempfile

    for name in sys.argv[1:] or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            suffix, how, distance = KINDS[name]
            source = recording(Path(folder, f"source{suffix}"), **how)
            print(name, distance, "\n   ", [round(x, 3) for x in flashes(source)], [round(x, 3) for x in heard(source)])
            copy = staged(source, Path(folder))
            print("   ", [round(x, 3) for x in flashes(copy)], [round(x, 3) for x in heard(copy)])
