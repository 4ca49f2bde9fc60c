"""What the recorder writes: counted, combined, limited, never in the caller's way."""

from __future__ import annotations

from podling.client.events import BURST, Correlator, EventRecorder, Note, Reference
from podling.client.resources import EVENTS
from podling.env import SimulatedEnv
from podling.supervise import Supervisor
from podling.testing.faults import Faults, FaultyTransport
from podling.testing.virtualtime import run
from tests.client.servers import api_server

POD = Reference("v1", "Pod", "web", "default", "uid-1", "7")


def test_the_same_event_is_counted_under_one_name_whatever_the_objects_revision() -> None:
    correlator = Correlator()
    first = correlator.decide(Note(POD, "Normal", "Pulled", "pulled"), 100.0)
    later = Reference("v1", "Pod", "web", "default", "uid-1", "8")
    second = correlator.decide(Note(later, "Normal", "Pulled", "pulled"), 160.0)
    assert first is not None
    assert second is not None
    assert (first.name, first.count, second.name, second.count) == (second.name, 1, first.name, 2)
    assert (second.first, second.last) == (100.0, 160.0)


def test_two_events_of_one_moment_have_different_names() -> None:
    correlator = Correlator()
    names = {correlator.decide(Note(POD, "Normal", reason, "x"), 100.0).name for reason in "abc"}  # type: ignore[union-attr]
    assert len(names) == 3
    assert all(name.startswith("web.") for name in names)


def test_many_similar_events_are_combined() -> None:
    correlator = Correlator()
    messages = [
        write.note.message
        for number in range(14)
        if (write := correlator.decide(Note(POD, "Warning", "Failed", f"try {number}"), 100.0)) is not None
    ]
    assert messages[:9] == [f"try {number}" for number in range(9)]
    assert all(message.startswith("(combined from similar events): try ") for message in messages[9:])


def test_an_object_that_tells_too_much_is_silenced_and_heard_again_later() -> None:
    correlator = Correlator()

    def tell(now: float) -> bool:
        return correlator.decide(Note(POD, "Normal", "Pulled", "pulled"), now) is not None

    assert [tell(0.0) for _ in range(BURST + 2)] == [True] * BURST + [False, False]
    assert tell(301.0)
    assert not tell(302.0)


def test_events_reach_the_api_with_their_source_and_count() -> None:
    async def scenario() -> None:
        env = SimulatedEnv(1)
        async with api_server(env=env) as server, Supervisor() as tasks:
            transport = server.transport("someone")
            recorder = EventRecorder(FaultyTransport(transport, env, Faults(lost_request=0.5)), env, "tester", "host-1")
            tasks.start("recorder", recorder.run())
            for _ in range(3):
                recorder.event(POD, "Warning", "BackOff", "again and again")
            await recorder.flush()
            (event,) = [each.json() for each in (await transport.list(EVENTS, namespace="default")).items]
            assert (event["count"], event["reason"], event["message"]) == (3, "BackOff", "again and again")
            assert event["source"] == {"component": "tester", "host": "host-1"}
            assert event["involvedObject"]["uid"] == "uid-1"

    run(scenario())


def test_an_event_that_expired_is_written_anew() -> None:
    async def scenario() -> None:
        env = SimulatedEnv(1)
        async with api_server(env=env) as server, Supervisor() as tasks:
            transport = server.transport("someone")
            recorder = EventRecorder(transport, env, "tester")
            tasks.start("recorder", recorder.run())
            recorder.event(POD, "Normal", "Pulled", "pulled")
            await recorder.flush()
            await transport.request("DELETE", EVENTS.path("default"))
            recorder.event(POD, "Normal", "Pulled", "pulled")
            await recorder.flush()
            assert len((await transport.list(EVENTS, namespace="default")).items) == 1

    run(scenario())
