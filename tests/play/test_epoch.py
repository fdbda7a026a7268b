"""Goal: the mark that a courier remembers keeps pace with time, and days of absence are no restore (sigsentry-courier(8))."""

import pytest

import stack
from clock import DAY, HOUR, MINUTE, SOON_S, publish, seconds
from stack import end_process, wait_for
from world import arrivals

LOOK_S = 21  # a courier's look at its mark, and a little


@pytest.fixture
def state(tmp_path):
    """Where the mark is kept.  The first of a test's fixtures, so that no courier is there any more when the hold is taken away."""
    yield tmp_path / "courier.epoch"
    stack.sql("UPDATE sigsentry.hold SET held_at = NULL, held_by = NULL, why = NULL")


def age(clock, state):
    """How old the mark in the file is, in seconds."""
    return clock.now() - seconds(state.read_text().split()[2])


def held():
    return stack.sql("SELECT held_at IS NOT NULL AS held FROM sigsentry.hold")[0]["held"]


def restored(since):
    """The database as it was then, as far as marks go."""
    stack.sql("DELETE FROM sigsentry.epoch WHERE made_at > to_timestamp(%s)", since)


def minutes(world, n):
    for _ in range(n):
        for _ in range(3):
            world.leap(LOOK_S)
            world.look()
            world.rest()


def test_the_mark_is_one_to_two_minutes_old(state, clock, world, site):
    began = clock.now()
    world.courier(courier_state=state)
    minutes(world, 2)
    assert wait_for(state.exists, SOON_S)
    for _ in range(4):
        minutes(world, 1)
        assert 60 <= age(clock, state) <= 2 * MINUTE
    made = stack.sql("SELECT count(*) AS n FROM sigsentry.epoch WHERE made_at > to_timestamp(%s)", began)[0]["n"]
    assert made in range(12, 25) and not held()


@pytest.mark.parametrize("loss,holds", [(50, False), (2 * MINUTE, True)])
def test_how_much_is_lost_decides(state, clock, world, site, loss, holds):
    courier = world.courier(courier_state=state)
    minutes(world, 6)
    _, mark = site.channel("webhook")
    world.sink.script(mark, 500, 200)
    publish(site)  # it waits for its second attempt
    assert wait_for(lambda: stack.sql("SELECT FROM sigsentry.queue WHERE tries = 1 AND claim_id IS NULL"), SOON_S)
    end_process(courier.process)
    # as old as the backup that is restored
    stack.sql("UPDATE sigsentry.queue SET id = overlay(id::text placing left(sigsentry.uuid_v7_floor(to_timestamp(%s))::text, 13)"
              " from 1 for 13)::uuid WHERE tries = 1", clock.now() - loss - 1)
    restored(clock.now() - loss)
    world.courier(courier_state=state)
    if holds:
        assert wait_for(held, SOON_S)
    else:
        arrivals(world, mark, 2, SOON_S)
        assert not held()


@pytest.mark.parametrize("away", [6 * DAY, 8 * DAY])
def test_a_courier_that_was_away_for_days_holds_nothing(state, clock, world, site, away):
    """Others went on: its mark is there, or so old that all of that time are gone."""
    courier = world.courier(courier_state=state)
    minutes(world, 3)
    before = state.read_text()
    end_process(courier.process)
    other = world.courier(courier_state="")
    world.leap(away)
    world.look()
    world.leap(2 * MINUTE)
    world.look()
    mark = before.split()[1]
    there = stack.sql("SELECT FROM sigsentry.epoch WHERE mark = %s", mark) != []
    assert there == (away < 7 * DAY)
    _, channel = site.channel("webhook")
    end_process(other.process)
    publish(site)
    stack.sql("UPDATE sigsentry.queue SET id = overlay(id::text placing left(sigsentry.uuid_v7_floor(to_timestamp(%s))::text, 13)"
              " from 1 for 13)::uuid", clock.now() - away - HOUR)
    world.courier(courier_state=state)
    arrivals(world, channel, 1, SOON_S)
    assert not held()
    assert wait_for(lambda: state.read_text() != before, SOON_S)
