"""Programs take turns, the one that runs fewer times drops out, and waiting is counted run by run."""

from __future__ import annotations

from benchmarks.speed.turns import take_turns


def test_programs_take_turns_at_going_first() -> None:
    ran: list[tuple[str, int]] = []

    def run(name: str, index: int) -> dict[str, float]:
        ran.append((name, index))
        return {"stage": float(len(ran))}

    turns = take_turns(run, {"official": 2, "ours": 3}, "a run")
    assert ran == [("official", 0), ("ours", 0), ("ours", 1), ("official", 1), ("ours", 2)]
    assert turns["official"].runs == [{"stage": 1.0}, {"stage": 4.0}]
    assert turns["ours"].runs == [{"stage": 2.0}, {"stage": 3.0}, {"stage": 5.0}]
    assert all(len(one.waits) == len(one.runs) and min(one.waits) >= 0 for one in turns.values())
