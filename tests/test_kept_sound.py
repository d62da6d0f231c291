"""A given sound as the model hears it: from sample 0, to the last latent, frozen; and as it comes back: untouched. On the real engine."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from graphs import CLIPS
from realcomfyui import comfy, comfy_folder  # noqa: F401  fixtures

from aio import check, config
from aio.fields import geometry
from aio.graph.draw import draw
from aio.media.streams import read_sound, write_mp4, write_wav

RATE = 48000
BRIEF = {"sigmas": "1.0, 0.5, 0.0", "stage_2_sigmas": "0.9, 0.0"}
LENGTHS = [(frames, fps) for fps in (24, 25, 30) for frames in range(9, 20 * fps + 2, 8)]
"""All legal lengths of at most 20 s."""


def impulses(path: Path, seconds: float, rate: int, channels: int = 1) -> Path:
    """A click at sample 2000 and one in each half second, in silence."""
    wave = np.zeros((channels, round(seconds * rate)), np.float32)
    wave[:, [2000, *range(rate // 2, wave.shape[1], rate // 2)]] = 0.9
    write_wav(path, wave, rate)
    return path


class Heard:
    """What the audio VAE is given, what the sampler starts from at each stage (latents and masks of the sound), what goes into the file."""

    def __init__(self, monkeypatch):
        import comfy.ldm.lightricks.vae.audio_vae as audio_vae
        from comfy import samplers
        from comfy_api.latest._input_impl import video_types

        self.waves, self.latents, self.masks, self.returned = [], [], [], []
        encode, sample, create = audio_vae.AudioVAE.encode, samplers.CFGGuider.sample, video_types.VideoFromComponents.__init__

        def heard(vae, audio, **options):
            self.waves.append(audio[0].float().cpu().numpy())
            return encode(vae, audio, **options)

        def sampled(guider, noise, latent_image, sampler, sigmas, denoise_mask=None, **options):
            self.latents.append(latent_image.unbind()[1])
            self.masks.append(denoise_mask.unbind()[1])
            return sample(guider, noise, latent_image, sampler, sigmas, denoise_mask=denoise_mask, **options)

        def created(video, components, *args, **options):
            self.returned.append(components.audio["waveform"][0].numpy())
            create(video, components, *args, **options)

        monkeypatch.setattr(video_types.VideoFromComponents, "__init__", created)
        monkeypatch.setattr(audio_vae.AudioVAE, "encode", heard)
        monkeypatch.setattr(samplers.CFGGuider, "sample", sampled)


@pytest.mark.parametrize(("frames", "fps"), LENGTHS)
def test_the_encoded_copy_gives_every_latent_of_the_clip_and_nothing_is_cut_from_its_beginning(frames, fps):
    seconds = geometry.encoded_seconds(CLIPS, frames / fps, fps)
    assert frames / fps <= seconds < frames / fps + 0.0929 + 1e-6
    for rate in (44100, 48000, 88200, 96000):   # AudioConcat brings all others to at least 44.1 kHz
        samples = math.ceil(round(seconds * rate) * CLIPS.sound.encode_rate / rate)
        assert samples % CLIPS.sound.encode_block <= 1   # VAE.encode leaves out half of what is more
        assert CLIPS.sound.latents_of_samples(round(seconds * rate), rate) >= CLIPS.sound.latents_of_frames(frames, fps)


@pytest.mark.comfyui
def test_comfyuis_own_nodes_give_lightricks_count_of_latents_all_frozen(comfy):  # noqa: F811
    import torch
    from comfy_extras import nodes_audio, nodes_lt, nodes_lt_audio, nodes_mask
    from nodes import SetLatentNoiseMask

    name = next(path.name for path in (comfy.engine.models_dir / "checkpoints").iterdir() if "dev-fp8" in path.name)
    vae = nodes_lt_audio.LTXVAudioVAELoader.execute(name)[0]
    mask, picture = nodes_mask.SolidMask.execute(0.0, 64, 64)[0], {"samples": torch.zeros(1, 128, 2, 2, 2)}
    for frames, fps in LENGTHS[::7]:   # all of them by the same arithmetic above; 7 meets each rate at each of the frame rates
        rate, seconds = (44100, 48000, 22050)[frames // 8 % 3], geometry.encoded_seconds(CLIPS, frames / fps, fps)
        given = {"waveform": torch.ones(1, 1, -(-frames * rate // fps)), "sample_rate": rate}
        whole = nodes_audio.AudioConcat.execute(given, nodes_audio.EmptyAudio.execute(seconds, 44100, 2)[0], "after")[0]
        encoded = nodes_lt_audio.LTXVAudioVAEEncode.execute(nodes_audio.TrimAudioDuration.execute(whole, 0.0, seconds)[0], vae)[0]
        frozen = SetLatentNoiseMask().set_mask(encoded, mask)[0]
        empty = nodes_lt_audio.LTXVEmptyLatentAudio.execute(frames, fps, 1, vae)[0]
        joint = nodes_lt.LTXVConcatAVLatent.execute(nodes_lt.LTXVConcatAVLatent.execute(picture, empty)[0], frozen)[0]
        kept, masks = joint["samples"].unbind()[1], joint["noise_mask"].unbind()[1]
        assert kept.shape[2] == round(frames / fps * 25) <= encoded["samples"].shape[2], (frames, fps, rate)
        assert not masks.any() and torch.equal(kept, encoded["samples"][:, :, : kept.shape[2]])


@pytest.mark.comfyui
@pytest.mark.parametrize(("mode", "frames", "fps", "rate", "channels"), [
    ("a2v", 9, 24, 44100, 1), ("a2v", 33, 25, 48000, 2), ("a2v", 49, 30, 22050, 1), ("lipsync", 41, 24, 96000, 2), ("lipsync", 25, 50, 8000, 1),
    ("lipsync", 17, 23.976, 48000, 1)])
def test_the_model_hears_a_given_sound_from_its_first_sample_and_keeps_all_of_it(
    mode, frames, fps, rate, channels, comfy, monkeypatch, tmp_path  # noqa: F811
):
    given = impulses(tmp_path / "clicks.wav", frames / fps + 0.3, rate, channels)
    heard = Heard(monkeypatch)
    made = comfy.run(f"mode={mode}", "preset=fast", params={**BRIEF, "audio": str(given), "seconds": max(frames / fps, 0.4), "fps": fps})
    wave = np.abs(heard.waves[0][0])
    first = int(wave[: round(0.3 * 44100)].argmax())
    assert abs(first - 2000 * 44100 / rate) <= 1
    for at in np.arange(0.5, frames / fps - 0.05, 0.5):
        near = round(at * 44100)
        assert abs(int(wave[near - 200 : near + 200].argmax()) + near - 200 - at * 44100) <= 1
    for latent, mask in zip(heard.latents, heard.masks, strict=True):
        assert latent.shape[2] == round(frames / fps * 25) and not mask.any()
    assert len(heard.latents) == 2 and bool((heard.latents[0] == heard.latents[1]).all())
    source = read_sound(given, rate, channels)[:, : round(frames / fps * rate)]
    assert np.array_equal(heard.returned[-1], source)   # bit for bit
    back = read_sound(made.video, rate, 1)[0]           # and once through AAC
    assert abs(int(np.abs(back[:3000]).argmax()) - 2000) <= 1
    assert abs(len(back) - frames / fps * rate) <= 1024   # a packet of AAC


@pytest.mark.comfyui
def test_the_sound_of_a_restyled_video_is_heard_and_returned_as_it_is_in_it(comfy, monkeypatch, tmp_path):  # noqa: F811
    frames, fps, noise = 33, 25, np.random.default_rng(0).uniform(-0.5, 0.5, (1, 66000)).astype(np.float32)
    pictures = (np.full((64, 64, 3), 5 * index, np.uint8) for index in range(frames))
    write_mp4(tmp_path / "video.mp4", pictures, (64, 64), fps, noise, 44100, options={"preset": "ultrafast"})
    heard = Heard(monkeypatch)
    comfy.run("mode=style", "preset=fast", params={
        "sigmas": BRIEF["sigmas"], "video": str(tmp_path / "video.mp4"), "control": "none", "seconds": frames / fps, "fps": fps})
    returned, length = heard.returned[-1], round(frames / fps * 44100)
    assert returned.shape == (1, length) and returned.std() > 0.1
    assert np.array_equal(heard.waves[0][:, :length], np.repeat(returned, 2, axis=0)) and not heard.waves[0][:, length:].any()
    assert heard.waves[0].shape[1] % CLIPS.sound.encode_block == 0
    assert heard.latents[0].shape[2] == 33 and not heard.masks[0].any()


@pytest.mark.comfyui
@pytest.mark.parametrize("mode", ["a2v", "lipsync"])
def test_noise_for_the_model_is_of_the_given_level_and_seed_and_never_returned(mode, comfy, monkeypatch, tmp_path):  # noqa: F811
    given = impulses(tmp_path / "clicks.wav", 1.5, 44100)
    heard = Heard(monkeypatch)
    for options in ({}, {"speech_noise": -35}, {"speech_noise": -35, "seed": 7}, {"speech_noise": -20}, {"speech_noise": -35}):
        comfy.run(f"mode={mode}", "preset=fast", params={**BRIEF, "audio": str(given), "seconds": 33 / 24, "seed": 1, **options})
        if len(heard.waves) < len(heard.returned):   # the same prompt as before: ComfyUI takes what it has
            heard.waves.append(heard.waves[1])
    clean, *noisy = heard.waves
    noises = [one - clean for one in noisy]
    for noise, level in zip(noises, (-35, -35, -20, -35), strict=True):
        rms = float(np.sqrt(np.square(noise[0], dtype=float).mean()))
        assert 20 * math.log10(rms / np.abs(clean).max()) == pytest.approx(level, abs=0.02)
        assert np.abs(noise[0] - noise[1]).max() < 1e-6   # as from one microphone
    assert not np.allclose(noises[0], noises[1], atol=1e-3) and np.array_equal(noises[0], noises[3])
    assert np.allclose(noises[2], noises[0] * 10 ** (15 / 20), atol=1e-5)
    power = np.square(np.abs(np.fft.rfft(noises[0][0].astype(float))))
    hertz = np.fft.rfftfreq(noises[0].shape[1], 1 / 44100)
    octaves = [power[(hertz >= low) & (hertz < 2 * low)].sum() for low in (100, 400, 1600, 6400)]
    assert max(octaves) < 2 * min(octaves)   # pink: the same power in each octave
    assert all(np.array_equal(one, heard.returned[0]) for one in heard.returned) and len(heard.returned) == 5


def test_the_returned_sound_is_taken_before_anything_is_added_to_the_models_copy():
    for mode in ("a2v", "lipsync"):
        composed = config.compose([f"mode={mode}"])
        plain, noisy = (draw(check.sample(composed, params)).prompt for params in ({}, {"speech_noise": -35.0}))
        assert "speech_noise" not in plain and plain["62"]["inputs"]["audio"] == ["67", 0]
        assert noisy["speech_noise"]["inputs"] | {"seed": 0} == {"audio": ["67", 0], "level": -35.0, "seed": 0}
        assert noisy["62"]["inputs"]["audio"] == ["speech_noise", 0]
        assert plain["42"]["inputs"]["audio"] == noisy["42"]["inputs"]["audio"] == ["61", 0]


def test_what_helps_a_mouth_to_move_is_shown_openly():
    for mode in ("a2v", "lipsync"):
        fields = config.compose([f"mode={mode}"]).fields
        assert not fields["modality_scale"].advanced and not fields["speech_noise"].advanced
        assert "talks to the camera" in fields["prompt"].placeholder
        assert fields["speech_noise"].default == fields["speech_noise"].min   # off
    assert config.compose(["mode=t2v"]).fields["modality_scale"].advanced
