"""What the figures were to be, each beside what was seen, and the curve or test that it is from."""

import operator
from collections.abc import Callable
from typing import NamedTuple

from measured.seen import Missing, Seen

BENCH, GROWTH, MINUTE = "`make bench`", "`make bench-growth`", "`make record-minute`"
WRITERS = "Votes' latency, 2,000 a second, figures read beside them"
LATE = "Latency of another poll's votes, p99, 2,000 a second"
LATE_BESIDE_WIDE = "Latency of another poll's votes beside a wide one, p99, 2,000 a second"
CALL = "For how long a call keeps Redis while"
STEADY = "Processor time at 4,000 keyed votes a second"
TICK = "Redis' time for what results reads at a tick, all shards changing"
ZONES = "Series of a poll of 30 days in other zones: memory"
READS = "Reads ÷ those of a constant body"
IDLE = "Processor time, idle"


class Bound(NamedTuple):
    """One figure."""

    what: str
    holds: Callable[[float, float], bool]
    bound: float
    unit: str
    seen: Callable[[Seen], float]
    where: str

    def line(self, seen: Seen) -> str:
        sign = "≤" if self.holds is operator.le else "≥"
        bound = f"{sign} {self.bound:,}{self.unit}"
        try:
            value = self.seen(seen)
        except Missing:
            return f"| {self.what} | {bound} | not measured | | {self.where} |"
        kept = "yes" if self.holds(value, self.bound) else "**no**"
        return f"| {self.what} | {bound} | {told(value)}{self.unit} | {kept} | {self.where} |"


def told(value: float) -> str:
    """As the documentation writes figures."""
    if value == int(value):
        return f"{int(value):,}"
    decimals = next((few for most, few in ((0.1, 4), (1, 3), (10, 2), (1_000, 1)) if abs(value) < most), 0)
    return f"{value:,.{decimals}f}"


def least(what: str, bound: float, unit: str, seen: Callable[[Seen], float], where: str) -> Bound:
    return Bound(what, operator.ge, bound, unit, seen, where)


def most(what: str, bound: float, unit: str, seen: Callable[[Seen], float], where: str) -> Bound:
    return Bound(what, operator.le, bound, unit, seen, where)


def shards(seen: Seen) -> float:
    both = [sum(seen.at(STEADY, label, size) for label in ("ingest", "Redis")) for size in (48, 1)]
    return both[0] / both[1]


def peak(connections: str) -> Callable[[Seen], float]:
    return lambda seen: seen.at("Peak, a key each", connections, 256) / seen.at("Peak, a key each", connections, 1)


def writers(label: str) -> Callable[[Seen], float]:
    def ratio(seen: Seen) -> float:
        values = seen.curve(WRITERS, label)
        # As many as there were when the time was over.
        return values[max(values)] / values[min(values)]

    return ratio


def first_read(title: str, size: float) -> Callable[[Seen], float]:
    return lambda seen: seen.at(title, "while the poll is first read", size) / seen.at(title, "alone", size)


def of_reads(label: str) -> Callable[[Seen], float]:
    return lambda seen: min(seen.curve(READS, label).values())


def redis_a_read(seen: Seen) -> float:
    beside = [seen.at("Redis under readers", label, 256) for label in ("with readers", "without readers")]
    return max(0, round((beside[0] - beside[1]) / seen.at("Reads of the figures", "results", 256), 3))


def greatest(title: str, label: str) -> Callable[[Seen], float]:
    return lambda seen: max(seen.curve(title, label).values())


def at(title: str, label: str, size: float) -> Callable[[Seen], float]:
    return lambda seen: seen.at(title, label, size)


def compared(row: str, connections: int, figure: str) -> Callable[[Seen], float]:
    return lambda seen: seen.compared(row, connections, figure)


def to_actix_web(row: str, connections: int) -> Callable[[Seen], float]:
    return lambda seen: seen.row(row, connections, "to_actix_web")


def of_votes() -> list[Bound]:
    """By the main table."""
    cost = [
        most(f"ingest's CPU a vote, no key ÷ before, {connections:,} connections", bound, "", compared("ours", connections, "server_cpu"), BENCH)
        for connections, bound in ((256, 0.62), (1_024, 0.55))
    ]
    cost += [
        most(f"{whose} CPU a vote, a key each ÷ before, 256 connections", bound, "", compared("ours-keyed", 256, figure), BENCH)
        for whose, bound, figure in (("ingest's and Redis'", 0.62, "cpu"), ("Redis'", 0.5, "redis_cpu"))
    ]
    rates = [
        least(f"accepted votes/s ÷ actix-web, {how}, {connections:,} connections", bound, "", to_actix_web(row, connections), BENCH)
        for how, row, bounds in (("no key", "ours", (0.9, 1, 1)), ("a key each", "ours-keyed", (0.8, 0.9, 0.9)))
        for connections, bound in zip((64, 256, 1_024), bounds, strict=True)
    ]
    return cost + rates


def of_sizes() -> list[Bound]:
    """By the curves, of votes."""
    half = "Answers of an open loop ÷ the build before"
    idle = "500 idle polls of 8 shards"
    return [
        most("4,000 keyed votes/s: 48 shards ÷ 1, CPU a vote of ingest and Redis", 1.3, "", shards, f"{GROWTH}, `shards`"),
        *(
            least(f"peak at 256 shards ÷ at 1, {connections}", 0.85, "", peak(connections), f"{GROWTH}, `shards`")
            for connections in ("256 connections", "2,048 connections")
        ),
        most("p99 at half of the peak, open loop ÷ before", 0.5, "", at(half, "p99 ÷ before", 50), f"{GROWTH}, `latency`"),
        least("the record minute: accepted votes", 3_600_000, "", lambda seen: seen.of_minute("books")["accepted"], MINUTE),
        most("the record minute: p99", 50, " ms", lambda seen: seen.of_minute("p99_ms"), MINUTE),
        most(f"{idle}: Redis commands a second", 100, "", at("Redis, idle", "commands", 500), f"{GROWTH}, `idle`"),
        most(f"{idle}: connections", 8, "", at("Connections to Redis, idle", "connections", 500), f"{GROWTH}, `idle`"),
        most(f"{idle}: CPU of ingest", 2, " %", at(IDLE, "ingest", 500), f"{GROWTH}, `idle`"),
        most(f"{idle}: CPU of results", 5, " %", at(IDLE, "results", 500), f"{GROWTH}, `idle`"),
        most("a tick's Redis time, 64 × 8, 48 h, 8 shards, changing", 5, " ms", at(TICK, "Redis", 48), f"{GROWTH}, `ticks`"),
        *(
            most(f"other polls' p99 while a poll of {what} is first read ÷ alone", 1.5, "", first_read(title, size), f"{GROWTH}, `long-polls`")
            for what, title, size in (("365 days", LATE, 365), ("64 × 8, 48 h,", LATE_BESIDE_WIDE, 48))
        ),
        *(
            most(f"a call that reads figures of a poll of {what} first, p99", 10, " ms", at(f"{CALL} {title}", "p99", size), f"{GROWTH}, `long-polls`")
            for what, title, size in (("365 days", "a long poll is first read", 365), ("64 × 8, 48 h,", "a wide poll is first read", 48))
        ),
        *(
            most(f"a remembered key, {keys:,} of a poll", 40, " bytes", at("Redis' memory of a key", "one shard", keys), f"{GROWTH}, `keys`")
            for keys in (100_000, 300_000, 1_000_000)
        ),
        most("20,000 writers that have ended: votes' p99 ÷ with 10", 1.2, "", writers("p99"), f"{GROWTH}, `writers`"),
        most("20,000 writers that were killed: votes' p99 ÷ with 10", 1.2, "", writers("p99, all were killed"), f"{GROWTH}, `writers`"),
    ]


def of_readers() -> list[Bound]:
    """By the curves, of readers and of processes."""
    sizes = [
        most(f"{name}, stripped", 14, " MiB", lambda seen, name=name: seen.figure(f"{name}, stripped"), f"{GROWTH}, `binaries`")
        for name in ("vote-ingest", "vote-results", "votectl")
    ]
    return [
        most("500 readers who don't read a body of 6 MB", 64, " MiB", at("Readers who don't read", "grown by", 500), f"{GROWTH}, `readers`"),
        # What is kept for others (32 MiB), and what is being made, beside what the allocator holds.
        most("320 requests of series in 40 zones, 30 days", 64, " MiB", greatest(ZONES, "grown by"), f"{GROWTH}, `zones`"),
        least("reads ÷ a constant body by our web server's routes", 0.97, "", of_reads("÷ a route of our web server"), f"{GROWTH}, `reads`"),
        least("reads ÷ a constant body by actix-web", 0.97, "", of_reads("÷ actix-web"), f"{GROWTH}, `reads`"),
        most("Redis commands a read", 0, "", redis_a_read, f"{GROWTH}, `reads`"),
        most("ingest: from start to ready", 120, " ms", at("From start to ready", "ingest", 1), f"{GROWTH}, `start`"),
        most("ingest: memory at rest", 16, " MiB", at("Memory at rest", "ingest", 1), f"{GROWTH}, `start`"),
        *sizes,
    ]


def added(row: str) -> Callable[[Seen], float]:
    return lambda seen: seen.added(row, 256, "votes_per_second")


def of_voters() -> list[Bound]:
    """Who may vote, and how often."""
    ratios = [
        least(f"votes/s ÷ {than}: {what}", bound, "", added(row), BENCH)
        for what, row, than, bound in (
            ("a proof of work each", "ours-proof", "with keys", 0.7),
            ("keys, and a token of another voter each (EdDSA)", "ours-voter", "with keys", 0.35),
            ("keys, and tokens that were seen before", "ours-voter-seen", "with keys", 0.8),
            ("limits of addresses on", "ours-limited", "off", 0.97),
            ("batches of 1,000 lines", "ours-batched", "single ones with keys", 5),
        )
    ]
    bytes_of_voter = [
        most(
            f"Redis' bytes a voter, 1,000,000 voters, {server}",
            22,
            "",
            lambda seen, server=server: seen.at_beginning("Redis' memory of a voter", server, 1_000_000),
            f"{GROWTH}, `voters`",
        )
        for server in ("Redis 7.0", "Redis 8.2", "Valkey 9.1")
    ]
    limits = at("Memory of the limits of addresses", "resident", 1_000_000)
    return [
        *ratios,
        *bytes_of_voter,
        most("memory of the limits, 1,000,000 addresses", 48, " MiB", limits, f"{GROWTH}, `limits`"),
    ]


HELD = """
Held by tests, at every change: allocations of a vote, with and without a key (at most 4: `crates/bench/tests/allocations/main.rs`); instructions of
a vote, a batch and a revision (`make callgrind-check`, at most 1.05 of the baseline)."""


def table(seen: Seen) -> str:
    lines = ["| figure | bound | seen | kept | measured by |", "| --- | --- | --- | --- | --- |"]
    lines += [bound.line(seen) for bound in of_votes() + of_voters() + of_sizes() + of_readers()]
    return "\n".join(lines) + "\n" + HELD
