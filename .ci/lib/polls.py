"""The poll that a check votes in."""

import datetime


def poll(name: str, **fields: object) -> dict:
    """A poll file of one that is open by its times, with two candidates."""

    def stamp(hours: int) -> str:
        return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    return {
        "id": name,
        "title": name,
        "direction": "eliminate",
        "kind": "rehearsal",
        "opens_at": stamp(-1),
        "closes_at": stamp(3),
        "timezone": "America/Sao_Paulo",
        "visibility": "public",
        "shards": 1,
        "candidates": [{"id": "ana", "name": "Ana"}, {"id": "bia", "name": "Bia"}],
        "channels": [{"id": "torcida", "weight": 100, "eligibility": "open"}],
    } | fields
