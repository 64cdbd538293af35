"""The tables of moves make sense by themselves, and the documentation says the same."""

from docs import generate
from jobs.states import ACTIVE, FINAL, JOB_MOVES, TASK_MOVES, WAITING, JobStatus, TaskStatus


def test_every_move_leads_from_known_states_to_a_known_state():
    for moves, states in ((JOB_MOVES, JobStatus), (TASK_MOVES, TaskStatus)):
        for name, move in moves.items():
            assert move.name == name
            assert move.sources | {move.target} <= set(states)


def test_every_state_can_be_reached():
    for moves, states in ((JOB_MOVES, JobStatus), (TASK_MOVES, TaskStatus)):
        assert {move.target for move in moves.values()} == set(states)


def test_only_killed_and_cancelled_are_left_by_nobody():
    left = {source for move in (*JOB_MOVES.values(), *TASK_MOVES.values()) for source in move.sources}
    assert {*JobStatus, *TaskStatus} - left == {JobStatus.KILLED, TaskStatus.CANCELLED}


def test_a_scan_never_touches_what_is_in_progress():
    touched = {source for move in TASK_MOVES.values() if move.who == "scan" for source in move.sources}
    assert TaskStatus.IN_PROGRESS not in touched


def test_only_a_claim_leads_into_progress_and_only_from_waiting():
    into = [move for move in TASK_MOVES.values() if move.target == TaskStatus.IN_PROGRESS]
    assert [(move.name, move.sources) for move in into] == [("claim", WAITING)]


def test_a_final_state_is_left_only_by_a_scan_or_an_operator():
    who = {move.who for move in TASK_MOVES.values() if move.sources & FINAL}
    assert who == {"scan", "operator"}


def test_every_task_state_is_either_active_or_final():
    assert set(TaskStatus) == ACTIVE | FINAL and not ACTIVE & FINAL


def test_the_documentation_draws_exactly_these_tables():
    assert generate.PAGES["states.md"].current() == generate.PAGES["states.md"].generated()


def test_every_state_has_a_sentence_of_its_own():
    for states in (JobStatus, TaskStatus):
        sentences = generate.sentences(states)
        assert sentences.keys() == set(states) and len(set(sentences.values())) == len(states)
