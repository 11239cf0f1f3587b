"""Votes and reads by the clients that openapi-python-client makes."""

import json
import sys
from io import BytesIO
from typing import cast

from ingest.api.gateways import cast_batch
from ingest.api.votes import cast_vote
from ingest.client import Client as Ingest
from ingest.models.cast_vote import CastVote
from ingest.models.direction import Direction
from ingest.models.problem import Problem
from ingest.models.problem_code import ProblemCode
from ingest.models.vote_accepted import VoteAccepted
from ingest.types import File
from results.api.polls import get_poll
from results.api.results import get_results
from results.client import AuthenticatedClient as ResultsWithToken
from results.client import Client as Results
from results.models.problem import Problem as ResultsProblem
from results.models.standing import Standing


def batch(ingest: Ingest, rehearsal: str, token: str) -> list[str]:
    """What a gateway's two lines are answered: a vote, and one for nobody."""
    lines = [
        {"key": "python-1", "channel": "sms", "candidate": "um", "voter": "d8f0c6e2a94b1735"},
        {"key": "python-2", "channel": "sms", "candidate": "nobody", "voter": "07c3e5a1f28d4b96"},
    ]
    body = File(payload=BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode()))
    answered = cast_batch.sync(rehearsal, client=ingest, body=body, authorization=f"Bearer {token}")
    assert isinstance(answered, File), answered
    answers = [json.loads(line) for line in answered.payload.read().splitlines()]
    return [answer.get("code") or answer["status"] for answer in answers]


def main(vote: str, results: str, poll: str, rehearsal: str, token: str) -> None:
    ingest = Ingest(base_url=vote)
    # The generator takes a token that is optional for one that is needed. Without one a plain client does.
    reader = cast(ResultsWithToken, Results(base_url=results))
    taken = cast_vote.sync(poll, client=ingest, body=CastVote(candidate="ana"), idempotency_key="python")
    assert isinstance(taken, VoteAccepted), taken

    contrary = CastVote(candidate="ana", direction=Direction.SAVE)
    refused = cast_vote.sync(poll, client=ingest, body=contrary)
    assert isinstance(refused, Problem), refused
    assert refused.code is ProblemCode.DIRECTION_MISMATCH, refused

    standing = get_results.sync(poll, client=reader)
    assert isinstance(standing, Standing), standing

    unknown = get_poll.sync("none", client=reader)
    assert isinstance(unknown, ResultsProblem), unknown
    seen = {
        "status": taken.status,
        "receipt": taken.receipt,
        "code": refused.code,
        "direction": refused.direction,
        "total": standing.total_votes,
        "unknown": unknown.poll,
        "batch": batch(ingest, rehearsal, token),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
