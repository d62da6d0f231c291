"""Hostile values: texts, trees and bytes, from a seeded generator. The same generator state gives the same input."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

CANARY = "canary-of-the-trust-harness"
"""The value of AIO_TRUST_CANARY in the environment: it must never come out anywhere."""

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x1b[31m"
"""Moves the cursor, colours, renames the terminal's window."""

TEXTS = (
    "", " ", "x", "\x00", "a\x00b", ESCAPE, "\u202egnp.exe", "\ud7ff\ue000", "🙂" * 40, "é" * 300, "x" * 5000, "\n\n", "a\r\nb", "\t",
    "null", "???", "true", "~", "None", "nan", "-inf", "1e999", "-1", "0", "9" * 400, "1_000", "٣", "0x10", "1,2,3", "[1,2", "{a:1}", "{", "}",
    "${oc.env:AIO_TRUST_CANARY}", "${oc.env:HOME}", "${value:seed}", "${node:save}", "${", "$${x}", "${oc.decode:1}", "${now:%Y}",
    "${hydra:job.name}",
    "@", "@@x", "@/etc/passwd", "@/nowhere", "~nobodyknows/x", "~", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin",
    "file:///etc/passwd",
    "http://127.0.0.1:9/x.png", "concat:a|b", "subfile,,start,0,end,0,,:/etc/passwd", "a:b.mp4", "con", "..", ".", "/", "\\", "C:\\x", "a/b",
    "mode/t2v",
    "%s%n%x", "';--", "<script>alert(1)</script>", "&lt;", "\"", "'", "\\", "it's", "a=b", "a,b", "(1)", "range(5)", "choice(1,2)", "glob(*)",
    "-m", "--help",
    "hydra.run.dir=/tmp/x", "!!python/object/apply:os.system [id]", "&a [*a]", "__class__", "{0.__class__}",
)
"""Each has been somebody's trouble: grammars, interpolation, paths, protocols, terminals, pages, types."""

NUMBERS = (0, 1, -1, 2**31, 2**32 - 1, 2**53, 2**63, 2**64, -(2**70), 0.1, -0.0, 1e308, 1e-308, 1e19, 64, 63, 256, 1920)


def text(random: Random) -> str:
    """A text: a known trouble, two of them, or random characters."""
    pick = random.random()
    if pick < 0.6:
        return random.choice(TEXTS)
    if pick < 0.8:
        return random.choice(TEXTS) + random.choice(TEXTS)
    return "".join(chr(random.choice((random.randint(1, 127), random.randint(128, 0xD7FF), random.randint(0xE000, 0x1FFFF))))
        for _ in range(random.randint(1, 30)))


def leaf(random: Random) -> Any:
    """A plain value."""
    return random.choice((text(random), random.choice(NUMBERS), random.randint(-(10**6), 10**6), random.uniform(-1e3, 1e3), True, False, None))


def value(random: Random, depth: int = 3) -> Any:
    """A value of JSON."""
    pick = random.random()
    if depth == 0 or pick < 0.6:
        return leaf(random)
    if pick < 0.8:
        return [value(random, depth - 1) for _ in range(random.randint(0, 4))]
    return {text(random): value(random, depth - 1) for _ in range(random.randint(0, 4))}


def deep(random: Random, levels: int = 3000) -> Any:
    """A value that is nested beyond reason."""
    made: Any = 1
    for _ in range(random.choice((50, 100, levels))):
        made = [made] if random.random() < 0.5 else {"a": made}
    return made


def tree(random: Random, seed: Any, words: Sequence[str] = ()) -> Any:
    """A copy of `seed` with one to three places changed: replaced, removed, doubled, renamed, swapped, nested.

    Args:
        words: names that belong to the place, for new keys and texts.
    """
    made = copy.deepcopy(seed)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        made = _changed(random, made, list(words))
    return made


def _changed(random: Random, made: Any, words: list[str]) -> Any:
    places = list(_places(made))
    if not places or random.random() < 0.02:
        return value(random)
    holder, key = random.choice(places)
    what = random.choice(("replace", "replace", "replace", "remove", "rename", "swap", "wrap", "word", "deep"))
    if what == "replace":
        holder[key] = value(random)
    elif what == "remove":
        del holder[key]
    elif what == "rename" and isinstance(holder, dict):
        holder[random.choice([*words, text(random)])] = holder.pop(key)
    elif what == "swap":
        other, name = random.choice(places)
        holder[key] = copy.deepcopy(other[name]) if name in (other if isinstance(other, dict) else range(len(other))) else None
    elif what == "wrap":
        holder[key] = random.choice(([holder[key]], {"a": holder[key]}, [holder[key]] * 3))
    elif what == "word" and words:
        holder[key] = random.choice(words)
    elif random.random() < 0.1:
        holder[key] = deep(random, 400)   # what json.dumps still writes
    return made


def _places(made: Any) -> Any:
    """(container, key) of everything in a tree."""
    pending = [made]
    while pending:
        one = pending.pop()
        pairs = list(one.items()) if isinstance(one, dict) else list(enumerate(one)) if isinstance(one, list) else []
        for key, inside in pairs:
            yield one, key
            pending.append(inside)


def damaged(random: Random, seed: bytes, others: Sequence[bytes] = ()) -> bytes:
    """A copy of a file with one to four changes: bits, cuts, holes, lengths, repeats, parts of other files."""
    made = bytearray(seed)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(max(len(made), 1))
        if random.random() < 0.5:
            at = random.randrange(max(min(len(made), 400), 1))   # headers decide most
        what = random.choice(("bit", "byte", "cut", "hole", "number", "repeat", "splice", "insert"))
        if what == "bit" and made:
            made[at] ^= 1 << random.randrange(8)
        elif what == "byte" and made:
            made[at] = random.choice((0, 255, 127, 128, random.randrange(256)))
        elif what == "cut":
            made = made[:at] if random.random() < 0.5 else made[at:]
        elif what == "hole":
            made[at:at + random.choice((1, 4, 64, 4096))] = b""
        elif what == "number":
            made[at:at + 4] = random.choice((0, 1, 2**31 - 1, 2**32 - 1, random.getrandbits(32))).to_bytes(4, random.choice(("big", "little")))
        elif what == "repeat":
            made[at:at] = made[at:at + random.choice((8, 64, 1024))] * random.randint(1, 8)
        elif what == "splice" and others:
            other = random.choice(others)
            made[at:] = other[random.randrange(max(len(other), 1)):]
        elif what == "insert":
            made[at:at] = text(random).encode(errors="replace")
    return bytes(made)
