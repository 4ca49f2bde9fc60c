"""ImageLocality: a node that has the images already is liked better, the more so the more bytes that saves.

An image counts by the share of the nodes that have it, or all Pods would go where the first one happened to be.
"""

from __future__ import annotations

from podling.scheduler.plugin import HIGHEST, Cause, Plugin, Scores
from podling.scheduler.snapshot import NodeFacts, PodFacts

LEAST, MOST = 23 << 20, 1000 << 20
"""Bytes of one container's image below which nothing is saved, and above which no more."""


def prepare(facts: PodFacts) -> tuple[str, ...] | None:
    spec = facts.pod.spec
    return tuple(_normalized(each.image) for each in (*spec.init_containers, *spec.containers) if each.image) or None


def score(images: tuple[str, ...], node: NodeFacts) -> float:
    if not node.images:
        return 0.0
    saved = sum(int(node.images[image] * node.spread.share(image)) for image in images if image in node.images)
    most = MOST * len(images)
    return float(HIGHEST * (min(max(saved, LEAST), most) - LEAST) // (most - LEAST))


def normalize(scores: Scores) -> Scores:
    """They are from 0 to 100 already; and they depend on nodes only."""
    return scores


def _normalized(image: str) -> str:
    """Nodes tell images with a tag."""
    return image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest"


PLUGIN = Plugin("ImageLocality", prepare, score=score, normalize=normalize, heeds=Cause.NODE)
