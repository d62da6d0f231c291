"""Media files: judged by content, refused with a reason, staged in a form that ComfyUI loads."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from aio.errors import MediaError, OutputError
from aio.media import Clip, probe, sha256, stage, stage_media
from aio.media.streams import opened, read_sound, write_mp4, write_wav

CLIP = Clip(64, 96, 9, 24.0)
FAST = {"crf": "30", "preset": "ultrafast"}


def tone(seconds: float, rate: int = 48000, channels: int = 2) -> np.ndarray:
    time = np.arange(round(seconds * rate), dtype=np.float32) / rate
    return np.repeat(0.3 * np.sin(2 * np.pi * 440 * time)[None], channels, axis=0).astype(np.float32)


def grey_frames(count: int, width: int = 128, height: int = 64):
    """Frames whose grey tells their number: 10, 20, ..."""
    return (np.full((height, width, 3), 10 * (index + 1), np.uint8) for index in range(count))


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def speech(tmp_path) -> Path:
    path = tmp_path / "speech.wav"
    write_wav(path, tone(1.0, 22050, 1), 22050)
    return path


@pytest.fixture
def movie(tmp_path) -> Path:
    path = tmp_path / "movie.mp4"
    write_mp4(path, grey_frames(12), (128, 64), 12.0, tone(1.0), 48000, options=FAST)
    return path


@pytest.fixture
def silent(tmp_path) -> Path:
    path = tmp_path / "silent.mp4"
    write_mp4(path, grey_frames(12), (128, 64), 12.0, options=FAST)
    return path


def greys(path: Path) -> list[int]:
    with opened(path) as container:
        return [round(float(frame.to_ndarray(format="rgb24").mean()) / 10) for frame in container.decode(video=0)]


# Facts

def test_an_image_is_measured(picture):
    found = probe(picture, "image", "image")
    assert (found.kind, found.width, found.height) == ("image", 80, 48)


def test_an_image_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 48)).save(tmp_path / "turned.jpg", exif=exif)
    found = probe(tmp_path / "turned.jpg", "image", "image")
    assert (found.width, found.height) == (48, 80)


def test_a_sound_is_measured(speech):
    found = probe(speech, "audio", "audio")
    assert (found.kind, found.sample_rate, found.channels, found.seconds) == ("audio", 22050, 1, pytest.approx(1.0))


def test_a_video_is_measured(movie):
    found = probe(movie, "video", "video")
    assert (found.width, found.height, found.frames, found.fps) == (128, 64, 12, 12.0)
    assert (found.seconds, found.sample_rate, found.channels) == (pytest.approx(1.0), 48000, 2)


def test_a_video_is_good_for_its_sound(movie):
    found = probe(movie, "audio", "audio")
    assert (found.kind, found.sample_rate, found.seconds) == ("audio", 48000, pytest.approx(1.0, abs=0.05))


def test_the_content_counts_and_not_the_name(movie, tmp_path):
    disguised = tmp_path / "notes.txt"
    disguised.write_bytes(movie.read_bytes())
    assert probe(disguised, "video", "video").frames == 12


def test_frames_are_counted_where_the_container_does_not_say(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25, options=FAST)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for array in grey_frames(11, 64):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode(None))
    assert probe(path, "video", "video").frames == 11


def test_a_long_video_is_counted_without_decoding_it_all(movie, monkeypatch):
    monkeypatch.setattr(sys.modules["aio.media.probe"], "DECODE_SECONDS", 0.2)
    found = probe(movie, "video", "video")
    assert (found.frames, found.seconds) == (12, pytest.approx(1.0))


def test_a_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# Refusals: each names the field, the file and a way out

def refused(path: Path, kind: str, *words: str) -> None:
    with pytest.raises(MediaError) as caught:
        probe(path, "myfield", kind)
    assert caught.value.field == "myfield"
    assert str(caught.value).startswith("myfield: ")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_a_missing_file_is_refused(tmp_path, kind):
    refused(tmp_path / "none.png", kind, "none.png", "does not exist", "check the path")


def test_a_folder_is_refused(tmp_path):
    refused(tmp_path, "image", "is a folder")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.wav").touch()
    refused(tmp_path / "empty.wav", "audio", "is empty")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "image", "not a regular file")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_refused(name):
    refused(Path(name), "image", "check the path")


def test_a_file_without_permission_is_refused(picture, monkeypatch):
    def denied(self, *args, **keys):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(picture, "image", "may not be read")


def test_a_sound_for_a_picture_is_refused(speech):
    refused(speech, "image", "speech.wav is a sound without picture", "PNG")


def test_a_picture_for_a_sound_is_refused(picture):
    refused(picture, "audio", "picture.png is an image", "WAV")


def test_a_picture_for_a_video_is_refused(picture):
    refused(picture, "video", "is an image", "MP4")


def test_a_video_without_sound_is_no_sound(silent):
    refused(silent, "audio", "a video without sound")


def test_a_sound_is_no_video(speech):
    refused(speech, "video", "a sound without picture")


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_text_is_refused(tmp_path, kind):
    (tmp_path / "a.mp4").write_text("hello")
    refused(tmp_path / "a.mp4", kind, "not a media file")


def test_a_playlist_that_names_other_files_is_refused(movie, tmp_path):
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{movie}\n#EXT-X-ENDLIST\n")
    refused(tmp_path / "list.mp4", "video", "not a media file")


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (12000, 9000)).save(tmp_path / "bomb.png")
    refused(tmp_path / "bomb.png", "image", "megapixels", "scale it down")


def test_a_truncated_picture_is_refused(picture):
    picture.write_bytes(picture.read_bytes()[:-2000])
    refused(picture, "image", "damaged or incomplete")


def test_a_truncated_jpeg_is_refused(tmp_path):
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 80).save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue()[:3000])
    refused(tmp_path / "a.jpg", "image", "damaged or incomplete")


def test_a_truncated_sound_is_refused(speech):
    speech.write_bytes(speech.read_bytes()[:20001])
    refused(speech, "audio", "damaged or incomplete")


def test_a_truncated_video_is_refused(movie):
    data = movie.read_bytes()
    movie.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    refused(movie, "video", "damaged or incomplete")


def test_a_video_without_frames_is_refused(tmp_path):
    path = tmp_path / "none.avi"
    with av.open(str(path), "w", format="avi") as container:
        video, audio = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=8000, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(audio.encode(frame))
    refused(path, "video", "holds no frames")


# Staging

def test_a_plain_picture_keeps_its_bytes_under_a_fitting_suffix(tmp_path):
    path = tmp_path / "wrong.suffix"
    Image.new("RGB", (32, 32), "red").save(path, "PNG")
    name, media = stage_media(probe(path, "image", "image"), "image", tmp_path / "in")
    assert name == f"aio/{sha256(path)[:16]}.png"
    assert media.path == tmp_path / "in" / name
    assert media.path.read_bytes() == path.read_bytes()


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    name, _ = stage_media(probe(tmp_path / "a.webp", "image", "image"), "image", tmp_path / "in")
    with Image.open(tmp_path / "in" / name) as image:
        assert (image.format, image.convert("RGB").getpixel((5, 5))) == ("PNG", (255, 0, 0))


def test_a_sound_that_is_long_enough_keeps_its_bytes(speech, tmp_path):
    _name, media = stage_media(probe(speech, "audio", "audio"), "audio", tmp_path / "in", clip=CLIP)
    assert media.path.read_bytes() == speech.read_bytes()


def test_a_short_sound_ends_in_silence(speech, tmp_path):
    clip = Clip(64, 64, 49, 24.0)
    name, media = stage_media(probe(speech, "audio", "audio"), "audio", tmp_path / "in", clip=clip)
    assert name.endswith("-2.042s.wav")
    assert (media.sample_rate, media.channels) == (22050, 1)
    sound = read_sound(media.path, 22050, 1)
    assert sound.shape[1] == clip.samples(22050) == -(-22050 * 49 // 24)
    assert abs(sound[:, :22050]).max() > 0.2 and not sound[:, 22060:].any()


def test_the_sound_of_a_video_becomes_a_wav(movie, tmp_path):
    name, media = stage_media(probe(movie, "audio", "audio"), "audio", tmp_path / "in", clip=CLIP)
    assert name.endswith(".wav")
    assert (media.kind, media.sample_rate, media.channels) == ("audio", 48000, 2)
    assert media.seconds == pytest.approx(1.0, abs=0.05)


def test_sound_that_comfyui_cannot_load_or_save_is_converted(tmp_path):
    path = tmp_path / "odd.wav"
    with av.open(str(path), "w", format="wav") as container:  # 8 bit, 37 kHz
        stream = container.add_stream("pcm_u8", rate=37000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 37000), 100, np.uint8), format="u8", layout="mono")
        frame.sample_rate = 37000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    _, media = stage_media(probe(path, "audio", "audio"), "audio", tmp_path / "in", clip=CLIP)
    assert (media.sample_rate, media.channels, media.seconds) == (48000, 1, pytest.approx(1.0, abs=0.01))


def test_a_video_is_fitted_to_the_clip(movie, tmp_path):
    name, media = stage_media(probe(movie, "video", "video"), "video", tmp_path / "in", clip=CLIP)
    assert name == f"aio/{sha256(movie)[:16]}-64x96-9f-24fps-709.mp4"
    assert (media.width, media.height, media.frames, media.fps) == (64, 96, 9, 24.0)
    assert (media.sample_rate, media.channels, media.seconds) == (48000, 2, pytest.approx(9 / 24))
    # 24 fps out of 12: each source frame twice; half-way between two of them the later one
    assert greys(media.path) == [1, 1, 2, 2, 3, 3, 4, 4, 5]


def test_a_faster_video_is_thinned_out(movie, tmp_path):
    _, media = stage_media(probe(movie, "video", "video"), "video", tmp_path / "in", clip=Clip(64, 64, 6, 6.0))
    assert greys(media.path) == [1, 3, 5, 7, 9, 11]


def test_a_short_video_holds_its_last_frame(movie, tmp_path):
    _, media = stage_media(probe(movie, "video", "video"), "video", tmp_path / "in", clip=Clip(64, 64, 17, 12.0))
    assert greys(media.path) == [*range(1, 13), 12, 12, 12, 12, 12]
    assert media.seconds == pytest.approx(17 / 12)


def test_a_silent_video_gets_silence(silent, tmp_path):
    _, media = stage_media(probe(silent, "video", "video"), "video", tmp_path / "in", clip=CLIP)
    assert (media.sample_rate, media.channels) == (48000, 2)
    sound = read_sound(media.path, 48000, 2)
    assert sound.shape[1] >= CLIP.samples(48000) and abs(sound).max() < 1e-4


def test_a_video_is_cropped_to_the_middle(tmp_path):
    left_right = np.zeros((64, 192, 3), np.uint8)
    left_right[:, 64:128] = 200
    write_mp4(tmp_path / "a.mp4", [left_right] * 9, (192, 64), 24.0, options=FAST)
    _, media = stage_media(probe(tmp_path / "a.mp4", "video", "video"), "video", tmp_path / "in", clip=Clip(64, 64, 9, 24.0))
    with opened(media.path) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert first[:, 4:-4].mean() > 180


def test_a_copy_that_is_there_is_used_again(picture, tmp_path):
    media = probe(picture, "image", "image")
    name, _ = stage_media(media, "image", tmp_path / "in")
    before = (tmp_path / "in" / name).stat().st_mtime_ns
    assert stage_media(media, "image", tmp_path / "in")[0] == name
    assert (tmp_path / "in" / name).stat().st_mtime_ns == before


def test_nothing_partial_is_left_when_staging_fails(movie, tmp_path, monkeypatch):
    def full(*args, **keys):
        args[0].write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("aio.media.stage.write_mp4", full)
    with pytest.raises(OutputError, match="disk is full"):
        stage_media(probe(movie, "video", "video"), "video", tmp_path / "in", clip=CLIP)
    assert not list((tmp_path / "in" / stage.FOLDER).iterdir())


def test_a_file_that_has_gone_is_named(picture, tmp_path):
    media = probe(picture, "image", "image")
    picture.unlink()
    with pytest.raises(MediaError, match="give it again"):
        stage_media(media, "image", tmp_path / "in")
