"""The event service: pull points, basic notification and the subscription manager of each.

ONVIF Core 26.06, 9.1 to 9.3. The subscription's token is the last segment of its own address, since clients drop
reference parameters; events are heard on any thread and handled on the loop that serves the requests.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web
from lxml import etree

from base.clock import Clock, utc_now
from onvif import names
from onvif.errors import NotOnvif, invalid
from onvif.events.bus import Bus, Event
from onvif.events.consumers import check as check_consumer
from onvif.events.consumers import connector
from onvif.events.filters import compile_filter
from onvif.events.subscriptions import (
    LONGEST_PULL,
    MOST_MESSAGES,
    Subscription,
    Subscriptions,
    duration,
    termination,
)
from onvif.events.topics import topic_set
from onvif.metadata import utc_text
from onvif.names import TEV, WSNT, q
from onvif.service import Call, Reply, Service, operation, service
from onvif.services.event_brokers import EventBrokers
from onvif.users import Level

PATH = "/onvif/events"
_log = logging.getLogger(__name__)


class EventService:
    """The handlers; `running` belongs in the application's `cleanup_ctx`.

    Args:
        bus: what to hear.
        limit: how many subscriptions at once, pull points and consumers together.
        now: the wall clock, aware UTC: what is shown. Lives are measured on the monotonic one.
        mono_s: that one.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        limit: int = 16,
        now: Callable[[], datetime] = utc_now,
        mono_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._clock = Clock(now, mono_s)
        self._subscriptions = Subscriptions(limit)
        self._arrived: dict[str, asyncio.Event] = {}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Hear the bus while the application runs; then let every waiting client go."""
        self._loop = asyncio.get_running_loop()
        self._bus.listen(self._on_event)
        yield
        self._bus.forget(self._on_event)
        self._closing = True
        for arrived in self._arrived.values():
            arrived.set()
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)

    def capabilities(self) -> Mapping[str, Any]:
        return {
            "WSSubscriptionPolicySupport": False,
            "WSPausableSubscriptionManagerInterfaceSupport": False,
            "MaxNotificationProducers": self._subscriptions.limit,
            "MaxPullPoints": self._subscriptions.limit,
            "PersistentNotificationStorage": False,
        }

    @operation("GetEventProperties")
    async def get_event_properties(self, _call: Call) -> Reply:
        reply = etree.Element(
            q(TEV, "GetEventPropertiesResponse"), nsmap={"tev": TEV, "wsnt": WSNT, "wstop": names.WSTOP}
        )

        def say(tag: str, text: str) -> None:
            etree.SubElement(reply, tag).text = text

        say(q(TEV, "TopicNamespaceLocation"), "http://www.onvif.org/onvif/ver10/topics/topicns.xml")
        say(q(WSNT, "FixedTopicSet"), "true")
        reply.append(topic_set(self._bus.topics))
        say(q(WSNT, "TopicExpressionDialect"), names.TOPIC_CONCRETE_SET)
        say(q(WSNT, "TopicExpressionDialect"), names.TOPIC_CONCRETE)
        say(q(TEV, "MessageContentFilterDialect"), names.ITEM_FILTER)
        say(q(TEV, "MessageContentSchemaLocation"), names.MESSAGE_CONTENT_SCHEMA)
        return reply

    @operation("CreatePullPointSubscription")
    async def create_pull_point_subscription(self, call: Call) -> Reply:
        subscription = self._subscribe(call, TEV, consumer="")
        return self._subscribed(call, subscription)

    @operation("Subscribe", WSNT)
    async def subscribe(self, call: Call) -> Reply:
        consumer = (call.element.findtext(f"{q(WSNT, 'ConsumerReference')}/{q(names.WSA, 'Address')}") or "").strip()
        this_host = call.user is not None and call.user.level is Level.ADMINISTRATOR
        check_consumer(consumer, this_host=this_host)
        subscription = self._subscribe(call, WSNT, consumer=consumer)
        task = asyncio.create_task(self._deliver(subscription, this_host=this_host), name=f"notify {consumer}")
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        return self._subscribed(call, subscription)

    @operation("PullMessages")
    async def pull_messages(self, call: Call) -> Reply:
        subscription = self._subscriptions.get(_token(call), self._clock.mono_s())
        timeout = _timeout(call)
        most = min(MOST_MESSAGES, int(call.request.MessageLimit))
        if most < 1:
            raise invalid("MessageLimit must be at least 1.", "InvalidMessageLimit")
        # While a client waits, its pull point must not end under it.
        self._subscriptions.pulled(subscription, timeout, self._clock.mono_s())
        await self._wait(subscription, timeout)
        now = self._clock.now()
        self._subscriptions.pulled(subscription, timeout, now.mono_s)
        reply = etree.Element(q(TEV, "PullMessagesResponse"), nsmap={"tev": TEV, "wsnt": WSNT, "tt": names.TT})
        etree.SubElement(reply, q(TEV, "CurrentTime")).text = utc_text(now.utc)
        etree.SubElement(reply, q(TEV, "TerminationTime")).text = utc_text(now.utc_at(subscription.ends_s))
        if call.http.transport is not None and not call.http.transport.is_closing():
            # Messages stay queued for a client that has hung up meanwhile and will pull again.
            reply.extend(event.xml() for event in subscription.next_events(most))
        return reply

    @operation("SetSynchronizationPoint")
    async def set_synchronization_point(self, call: Call) -> Reply:
        subscription = self._subscriptions.get(_token(call), self._clock.mono_s())
        self._queue_states(subscription)
        return {}

    @operation("Renew", WSNT)
    async def renew(self, call: Call) -> Reply:
        now = self._clock.now()
        token = _token(call)
        self._subscriptions.get(token, now.mono_s)
        life = termination(call.element.findtext(q(WSNT, "TerminationTime")), now.utc, renewing=True)
        self._subscriptions.renew(token, now.deadline_s(life), now.mono_s)
        return {"TerminationTime": now.utc + life, "CurrentTime": now.utc}

    @operation("Unsubscribe", WSNT)
    async def unsubscribe(self, call: Call) -> Reply:
        token = _token(call)
        self._subscriptions.remove(token, self._clock.mono_s())
        arrived = self._arrived.pop(token, None)
        if arrived is not None:
            arrived.set()
        return {}

    def _subscribe(self, call: Call, namespace: str, *, consumer: str) -> Subscription:
        now = self._clock.now()
        wanted = compile_filter(call.element.find(q(namespace, "Filter")), (topic.path for topic in self._bus.topics))
        life = termination(call.element.findtext(q(namespace, "InitialTerminationTime")), now.utc)
        self._sweep()
        subscription = self._subscriptions.create(
            wanted, now.deadline_s(life), consumer=consumer, owner=call.user.name if call.user is not None else "",
            watcher=call.user is None or call.user.level is Level.USER,
        )  # fmt: skip
        self._arrived[subscription.token] = asyncio.Event()
        self._queue_states(subscription)
        return subscription

    def _subscribed(self, call: Call, subscription: Subscription) -> Reply:
        now = self._clock.now()
        return {
            "SubscriptionReference": {"Address": _address(call, subscription)},
            "CurrentTime": now.utc,
            "TerminationTime": now.utc_at(subscription.ends_s),
        }

    def _queue_states(self, subscription: Subscription) -> None:
        if [event for event in self._bus.states() if subscription.offer(event)]:
            self._arrived[subscription.token].set()

    def _sweep(self) -> None:
        for ended in self._subscriptions.expire(self._clock.mono_s()):
            arrived = self._arrived.pop(ended.token, None)
            if arrived is not None:
                arrived.set()

    def _on_event(self, event: Event) -> None:
        """On any thread; the loop may close under a publisher that outlives it."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._offer, event)

    def _offer(self, event: Event) -> None:
        self._sweep()
        for subscription in self._subscriptions.offer(event):
            self._arrived[subscription.token].set()

    async def _wait(self, subscription: Subscription, longest: timedelta) -> None:
        """Until there is a message, the time is over, or the subscription ends."""
        arrived = self._arrived[subscription.token]
        if subscription.queue or self._closing:
            return
        arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest.total_seconds()):
                await arrived.wait()

    async def _deliver(self, subscription: Subscription, *, this_host: bool) -> None:
        """Post Notify documents to one consumer until its subscription ends."""
        arrived = self._arrived[subscription.token]
        pause_s = 1.0
        limit = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=limit, connector=connector(this_host=this_host)) as session:
            while self._arrived.get(subscription.token) is arrived and not self._closing:
                left_s = subscription.ends_s - self._clock.mono_s()
                if left_s <= 0:
                    self._sweep()
                    return
                if not subscription.queue:
                    arrived.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left_s):
                            await arrived.wait()
                    continue
                events = subscription.next_events(64)
                try:
                    await _notify(session, subscription.consumer, events)
                    pause_s = 1.0
                except (aiohttp.ClientError, TimeoutError, OSError) as problem:
                    _log.warning("events for %s wait: %s", subscription.consumer, problem or type(problem).__name__)
                    subscription.queue.extendleft(reversed(events))
                    await asyncio.sleep(pause_s)
                    pause_s = min(60.0, 2 * pause_s)


def event_service(events: EventService, brokers: EventBrokers | None = None) -> Service:
    """The service; with `brokers` it offers event brokers too."""

    def capabilities() -> Mapping[str, Any]:
        return {**events.capabilities(), **(brokers.capabilities() if brokers is not None else {})}

    parts = (events,) if brokers is None else (events, brokers)
    return service(parts, TEV, path=PATH, capabilities=capabilities, extra_paths=(f"{PATH}/",))


async def _notify(session: aiohttp.ClientSession, consumer: str, events: list[Event]) -> None:
    envelope = etree.Element(
        q(names.ENV12, "Envelope"), nsmap={"env": names.ENV12, "wsnt": WSNT, "wsa5": names.WSA, "tt": names.TT}
    )
    header = etree.SubElement(envelope, q(names.ENV12, "Header"))
    etree.SubElement(header, q(names.WSA, "To")).text = consumer
    etree.SubElement(header, q(names.WSA, "Action")).text = _NOTIFY
    notify = etree.SubElement(etree.SubElement(envelope, q(names.ENV12, "Body")), q(WSNT, "Notify"))
    notify.extend(event.xml() for event in events)
    headers = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{_NOTIFY}"'}
    body = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    async with session.post(consumer, data=body, headers=headers, allow_redirects=False) as answer:
        answer.raise_for_status()


_NOTIFY = "http://docs.oasis-open.org/wsn/bw-2/NotificationConsumer/Notify"


def _address(call: Call, subscription: Subscription) -> str:
    return f"{call.base_url}{PATH}/{subscription.token}"


def _token(call: Call) -> str:
    return call.path.rstrip("/").rpartition("/")[2]


def _timeout(call: Call) -> timedelta:
    text = call.element.findtext(q(TEV, "Timeout")) or ""
    try:
        timeout = duration(text)
    except NotOnvif as problem:
        raise invalid(str(problem), "InvalidTimeout") from problem
    if timeout < timedelta():
        raise invalid(f"The timeout {text[:40]} is negative.", "InvalidTimeout")
    # Longer waits are cut: the client sees an empty reply and pulls again, which PullMessages is made for.
    return min(timeout, LONGEST_PULL)
