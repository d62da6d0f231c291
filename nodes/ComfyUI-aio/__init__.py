"""Nodes of aio for ComfyUI. Copy this folder into ComfyUI's custom_nodes to open and run aio's graphs anywhere; it needs nothing else."""

import math

import torch
from comfy_api.latest import ComfyExtension, io


def factor(guided, cond, rescale):
    """What a guided prediction is multiplied by: rescale * std(cond) / std(guided) + 1 - rescale.

    Source: MultiModalGuider.calculate of Lightricks/LTX-2 (ltx-core, guiders.py).

    Args:
        guided, cond: guided and conditioned prediction, tensors of one shape.
        rescale: 0 leaves the prediction as it is, 1 gives it the spread of `cond`.
    """
    spread = guided.float().std()
    return rescale * (cond.float().std() / spread) + (1 - rescale) if spread > 0 else 1.0


class LTXVRescaleGuidance(io.ComfyNode):
    """Rescale after all guidance, for picture and sound on their own, as Lightricks' full recipe does."""

    @classmethod
    def define_schema(cls):
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="LTXVRescaleGuidance",
            display_name="LTXV Rescale Guidance",
            category="advanced/guidance",
            description="Draws the guided prediction's spread back towards the conditioned one's, for video and audio separately, which keeps "
                        "strong guidance (CFG, STG, modality) from burning colours and sound. Put it last, right before the guider. "
                        "Lightricks' recipe for LTX-2.3: 0.7. 0 is off.",
            inputs=[
                io.Model.Input("model"),
                io.Float.Input("rescale_video", default=0.7, min=0.0, max=1.0, step=0.01, round=0.01),
                io.Float.Input("rescale_audio", default=0.7, min=0.0, max=1.0, step=0.01, round=0.01),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model, rescale_video, rescale_audio) -> io.NodeOutput:
        """The model with the rescaling behind its guidance."""
        patched = model.clone()

        def after_guidance(args):
            whole, clean = args["denoised"], args["cond_denoised"]
            conds = args["cond"][0]["model_conds"] if args["cond"] else {}
            # A latent of picture and sound is packed: (batch, 1, all numbers), the picture's first.
            shapes = conds["latent_shapes"].cond if "latent_shapes" in conds else [whole.shape]
            scales = (rescale_video, rescale_audio)
            masks = tuple(conds[name].cond if name in conds else None for name in ("denoise_mask", "audio_denoise_mask"))
            result, start = whole.clone(), 0
            for shape, scale, mask in zip(shapes, scales, masks):
                part = (..., slice(start, start + math.prod(shape[1:]))) if len(shapes) > 1 else ...
                start += math.prod(shape[1:])
                if scale == 0:
                    continue
                guided, plain = whole[part], clean[part]
                seen = (guided, plain)
                if mask is not None:
                    # What is kept of a given picture or sound has a lower noise level: its prediction, by which the
                    # reference measures the spread, lies that much nearer to the input.
                    size = (whole.shape[0], *shape[1:])
                    given = args["input"][part].reshape(size)
                    level = mask.to(given).expand(size) if mask.ndim == len(size) else 1.0
                    seen = tuple(given + level * (one.reshape(size) - given) for one in seen)
                result[part] = guided * factor(*seen, scale)
            return result

        patched.set_model_sampler_post_cfg_function(after_guidance)
        return io.NodeOutput(patched)


def pink(samples, sample_rate, seed):
    """Pink noise of RMS 1 and at least 20 Hz, the same for the same seed.

    Args:
        samples: count, sample_rate: Hz.
    """
    white = torch.randn(samples, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    hertz = torch.fft.rfftfreq(samples, 1 / sample_rate, dtype=torch.float64)
    weight = torch.where(hertz >= 20, hertz.clamp(min=20).rsqrt(), 0.0)   # power that falls as 1/f; below 20 Hz nothing is heard
    made = torch.fft.irfft(torch.fft.rfft(white) * weight, samples)
    level = made.square().mean().sqrt()
    return (made / level if level > 0 else made).float()


class AudioPinkNoise(io.ComfyNode):
    """A little noise in a sound that a model listens to: speech that is too clean can leave a face still."""

    @classmethod
    def define_schema(cls):
        """Name, inputs and outputs."""
        return io.Schema(
            node_id="AudioPinkNoise",
            display_name="Audio, Add Pink Noise",
            category="audio",
            description="Adds pink noise to a sound, the same in all channels. For the copy that a model is conditioned on: LTX-2 may leave a face "
                        "still when speech is too clean. Return the clean sound with the video.",
            inputs=[
                io.Audio.Input("audio"),
                io.Float.Input("level", default=-35.0, min=-100.0, max=0.0, step=0.5,
                               tooltip="Loudness (RMS) of the noise in dB, counted from the loudest sample of the sound."),
                io.Int.Input("seed", default=0, min=0, max=0xffffffffffffffff, control_after_generate=True),
            ],
            outputs=[io.Audio.Output()],
        )

    @classmethod
    def execute(cls, audio, level, seed) -> io.NodeOutput:
        """The sound with noise in it."""
        clean, rate = audio["waveform"], audio["sample_rate"]
        if not clean.numel():
            return io.NodeOutput(audio)
        noise = pink(clean.shape[-1], rate, seed).to(clean) * clean.abs().max() * 10 ** (level / 20)
        return io.NodeOutput({**audio, "waveform": clean + noise})


class Nodes(ComfyExtension):
    """What ComfyUI asks a pack for."""

    async def get_node_list(self):
        """The classes."""
        return [LTXVRescaleGuidance, AudioPinkNoise]


async def comfy_entrypoint():
    """Where ComfyUI enters."""
    return Nodes()
