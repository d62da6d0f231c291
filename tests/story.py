"""A mode of a user's own with a list of keyframes, in YAML alone: over the workflow of t2v, with guides in both stages."""

from pathlib import Path

STORY = """\
# @package _global_
# Pictures at any time.   python -m aio --config-dir=my mode=story keyframes='[{image: a.png}, {image: b.png, at: 2}]' prompt="The camera rises"
defaults: [base/ltx23, base/two_stage, base/made_sound, base/sound_stage, _self_]
mode: {name: story, title: Story, summary: Pictures at any time to video, workflow: t2v.json}
fields:
  width: {size_of: [keyframes]}
  height: {size_of: [keyframes]}
  keyframes:
    type: LIST
    tooltip: Pictures, and when each of them is seen
    items:
      image: {type: IMAGE}
      at: {type: FLOAT, default: 0, min: 0, at_most: seconds, tooltip: Seconds}
      strength: {type: FLOAT, default: 0.7, min: 0, max: 1, step: 0.05}
    min_items: 1
    max_items: 8
nodes:
  upscale: {id: "31", class_type: LTXVLatentUpsampler}
  latent_1: {id: "12", class_type: LTXVConcatAVLatent}
  latent_2: {id: "32", class_type: LTXVConcatAVLatent}
  split_2: {id: "38", class_type: LTXVSeparateAVLatent}
ports:
  positive_1: {guider_1: positive}
  negative_1: {guider_1: negative}
  latent_1: {latent_1: video_latent}
  positive_2: {guider_2: positive}
  negative_2: {guider_2: negative}
  latent_2: {latent_2: video_latent}
patches:
  pictures:
    each: keyframes
    operations:
      - {op: add, path: "/picture_${key:}", value: {class_type: LoadImage, inputs: {image: "${value:item.image}"}, _meta: {title: "Picture ${key:}"}}}
  guides_1:
    each: keyframes
    operations:
      - op: add
        path: /guide_1_${key:}
        value:
          class_type: LTXVAddGuide
          inputs: {image: ["picture_${key:}", 0], frame_idx: "${frame:item.at,seconds,fps}", strength: "${value:item.strength}"}
          _meta: {title: "Guide ${key:} of stage 1"}
      - {op: copy, from: "${port:positive_1}", path: "/guide_1_${key:}/inputs/positive"}
      - {op: copy, from: "${port:negative_1}", path: "/guide_1_${key:}/inputs/negative"}
      - {op: copy, from: "${port:latent_1}", path: "/guide_1_${key:}/inputs/latent"}
      - {op: copy, from: "${pointer:upscale,vae}", path: "/guide_1_${key:}/inputs/vae"}
      - {op: replace, path: "${port:positive_1}", value: ["guide_1_${key:}", 0]}
      - {op: replace, path: "${port:negative_1}", value: ["guide_1_${key:}", 1]}
      - {op: replace, path: "${port:latent_1}", value: ["guide_1_${key:}", 2]}
  crop_1:
    - {op: add, path: /crop_1, value: {class_type: LTXVCropGuides, inputs: {}, _meta: {title: Stage 1 without guides}}}
    - {op: copy, from: "${port:positive_1}", path: /crop_1/inputs/positive}
    - {op: copy, from: "${port:negative_1}", path: /crop_1/inputs/negative}
    - {op: copy, from: "${pointer:upscale,samples}", path: /crop_1/inputs/latent}
    - {op: replace, path: "${pointer:upscale,samples}", value: [crop_1, 2]}
    - {op: replace, path: "${port:positive_2}", value: [crop_1, 0]}
    - {op: replace, path: "${port:negative_2}", value: [crop_1, 1]}
  guides_2:
    each: keyframes
    operations:
      - op: add
        path: /guide_2_${key:}
        value:
          class_type: LTXVAddGuide
          inputs: {image: ["picture_${key:}", 0], frame_idx: "${frame:item.at,seconds,fps}", strength: "${value:item.strength}"}
          _meta: {title: "Guide ${key:} of stage 2"}
      - {op: copy, from: "${port:positive_2}", path: "/guide_2_${key:}/inputs/positive"}
      - {op: copy, from: "${port:negative_2}", path: "/guide_2_${key:}/inputs/negative"}
      - {op: copy, from: "${port:latent_2}", path: "/guide_2_${key:}/inputs/latent"}
      - {op: copy, from: "${pointer:upscale,vae}", path: "/guide_2_${key:}/inputs/vae"}
      - {op: replace, path: "${port:positive_2}", value: ["guide_2_${key:}", 0]}
      - {op: replace, path: "${port:negative_2}", value: ["guide_2_${key:}", 1]}
      - {op: replace, path: "${port:latent_2}", value: ["guide_2_${key:}", 2]}
  crop_2:
    - {op: add, path: /crop_2, value: {class_type: LTXVCropGuides, inputs: {latent: ["${node:split_2}", 0]}, _meta: {title: Stage 2 without guides}}}
    - {op: copy, from: "${port:positive_2}", path: /crop_2/inputs/positive}
    - {op: copy, from: "${port:negative_2}", path: /crop_2/inputs/negative}
    - {op: replace, path: "${pointer:decode,samples}", value: [crop_2, 2]}
examples:
  - {prompt: "A walk through three rooms", keyframes: [{image: samples/astronaut.png}, {image: samples/astronaut.png, at: 2}]}
"""


def written(folder: Path) -> Path:
    """A folder of configuration that holds the mode."""
    (folder / "mode").mkdir(parents=True)
    (folder / "mode" / "story.yaml").write_text(STORY, encoding="utf-8")
    return folder
