"""Votes and reads by the clients that openapi-python-client makes."""

import json
import sys
from typing import cast

from ingest.api.votes import cast_vote
from ingest.client import Client as Ingest
from ingest.models.cast_vote import CastVote
from ingest.models.direction import Direction
from ingest.models.problem import Problem
from ingest.models.problem_code import ProblemCode
from ingest.models.vote_accepted import VoteAccepted
from results.api.polls import get_poll
from results.api.results import get_results
from results.client import AuthenticatedClient as ResultsWithToken
from results.client import Client as Results
from results.models.problem import Problem as ResultsProblem
from results.models.standing import Standing


def main(vote: str, results: str, poll: str) -> None:
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
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
