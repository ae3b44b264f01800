"""Time: integer nanoseconds on a SimPy clock, and the edge event that closes an instant.

Within one instant events fire by priority, never by the order in which processes were created: departures
(URGENT), then everything else (NORMAL), then the edge. New events of the same instant that are scheduled
while the instant is being worked off come before the edge, so that a chain of zero delays is complete when
the edge fires.
"""

from __future__ import annotations

from collections.abc import Callable

import simpy
from simpy.core import EventPriority
from simpy.events import URGENT, Event

SECOND_NS = 1_000_000_000


class Clock(simpy.Environment):
    """SimPy's environment with time as an integer number of nanoseconds, from 0."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)

    @property
    def now_ns(self) -> int:
        """Current time; integral as long as all delays are."""
        return self._now  # type: ignore[return-value]

    def settle(self) -> None:
        """Fires all events of this instant but the edges that close it."""
        while self._queue and self._queue[0][0] == self._now and self._queue[0][1] < _EDGE:
            self.step()


_EDGE = EventPriority(2)  # after URGENT (0) and NORMAL (1)


def edge(env: Clock, at_ns: int) -> Event:
    """An event at `at_ns` that fires after every other event of that instant."""
    event = Event(env)
    event._ok, event._value = True, None
    env.schedule(event, priority=_EDGE, delay=at_ns - env.now_ns)
    return event


def departure(env: Clock, at_ns: int, action: Callable[[Event], None]) -> Event:
    """Calls `action` at `at_ns`, before anything else of that instant: a place that is freed can be taken at
    once.
    """
    event = Event(env)
    event._ok, event._value = True, None
    event.callbacks = [action]
    env.schedule(event, priority=URGENT, delay=at_ns - env.now_ns)
    return event


def after(env: Clock, delay_ns: int, action: Callable[[Event], None]) -> Event:
    """Calls `action` after `delay_ns`, in the ordinary order of its instant."""
    event = env.timeout(delay_ns)
    assert event.callbacks is not None
    event.callbacks.append(action)
    return event


def to_ns(seconds: float) -> int:
    """Seconds to integer nanoseconds, rounded to nearest."""
    return round(seconds * SECOND_NS)
