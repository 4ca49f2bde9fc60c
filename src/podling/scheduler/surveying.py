"""Which of the ranked nodes neighbours allow, and which they like: demands and likings of places, applied. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podling.scheduler.plugin import Plugin, Refusal, Rescale, Survey
from podling.scheduler.ranking import REFUSED, Ranking, chosen
from podling.scheduler.snapshot import Snapshot

Surveys = Sequence[tuple[Plugin, Survey]]


def best(ranking: Ranking, surveys: Surveys, snapshot: Snapshot, chance: float) -> str | None:
    """The best node that all demands allow; None where there is none among those ranked."""
    places = _allowed(ranking, surveys, snapshot)
    scores = ranking.scores
    totals = [scores[place] for place in places]
    for plugin, survey in surveys:
        if survey.likings and len(places) > 1 and plugin.rescale is not None:
            weight, points = plugin.weight, _points(plugin.rescale, survey, ranking, places, snapshot)
            totals = [total + weight * point for total, point in zip(totals, points, strict=True)]
    winner = chosen(totals, chance)
    return None if winner is None else ranking.names[places[winner]]


def refusals(ranking: Ranking, surveys: Surveys, snapshot: Snapshot) -> tuple[dict[str, Refusal], int]:
    """Why no node is possible, of every node of a complete ranking; and what may change that."""
    found, heeds = dict(ranking.refusals), ranking.heeds
    for name, score in zip(ranking.names, ranking.scores, strict=True):
        if score > REFUSED:
            plugin, refusal = refused(surveys, snapshot.nodes[name].labels)
            if refusal is not None and plugin is not None:
                found[name] = refusal
                heeds |= plugin.heeds
    return found, heeds


def refused(surveys: Surveys, labels: Mapping[str, str]) -> tuple[Plugin | None, Refusal | None]:
    """The first demand that the node does not meet."""
    for plugin, survey in surveys:
        for demand in survey.demands:
            if (refusal := demand.refuse(labels)) is not None:
                return plugin, refusal
    return None, None


def _allowed(ranking: Ranking, surveys: Surveys, snapshot: Snapshot) -> Sequence[int]:
    """Places in the ranking; in plain loops over columns, for this is the hot part of every such decision."""
    places: Sequence[int] = range(len(ranking.names))
    if ranking.refusals:
        places = [place for place, score in enumerate(ranking.scores) if score > REFUSED]
    for _, survey in surveys:
        for demand in survey.demands:
            values, allowed, forbidden = ranking.column(demand.key, snapshot), demand.allowed, demand.forbidden
            if demand.missing is not None and ranking.lacks(demand.key, snapshot):
                places = [place for place in places if values[place] is not None]
            if allowed is not None:
                places = [place for place in places if values[place] in allowed or values[place] is None]
            if forbidden:
                places = [place for place in places if values[place] not in forbidden]
    return places


def _points(
    rescale: Rescale, survey: Survey, ranking: Ranking, places: Sequence[int], snapshot: Snapshot
) -> Sequence[float]:
    """Of each place; 0 where a strict survey finds a label missing."""
    raw = [0.0] * len(places)
    lacking: set[int] = set()
    for liking in survey.likings:
        values, weight, everywhere = ranking.column(liking.key, snapshot), liking.weight, liking.everywhere
        here = [values[place] for place in places]
        if ranking.lacks(liking.key, snapshot):
            lacking.update(number for number, value in enumerate(here) if value is None)
        get = liking.points.get
        raw = [
            total + get(value, 0) * weight + everywhere if value is not None else total
            for total, value in zip(raw, here, strict=True)
        ]
    if not (survey.strict and lacking):
        return rescale(raw)
    scaled = iter(rescale([each for number, each in enumerate(raw) if number not in lacking]))
    return [0.0 if number in lacking else next(scaled) for number in range(len(raw))]
