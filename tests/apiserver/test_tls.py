"""The serving certificate renews itself; connections that stand are not disturbed."""

from __future__ import annotations

import asyncio
import ssl

from podling.apiserver.tls import renewal
from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.apiserver.serving import Api, serving

DAY = 86400.0


class Later(SystemEnv):
    """The machine's clock, which may be put forward; long waits are for `tick`."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0.0
        self.tick = asyncio.Event()
        self.sleeping = 0

    def now(self) -> float:
        return super().now() + self.offset

    async def sleep(self, seconds: float) -> None:
        if seconds < 60:
            await super().sleep(seconds)
        else:
            self.sleeping += 1
            await self.tick.wait()
            self.tick.clear()


async def serial(api: Api) -> str:
    """Of the certificate that a new connection meets."""
    _, writer = await api.raw()
    secured: ssl.SSLObject = writer.get_extra_info("ssl_object")
    found = secured.getpeercert()
    assert found is not None
    writer.close()
    return str(found["serialNumber"])


def test_renewal_is_due_when_four_fifths_of_the_life_are_over() -> None:
    now = SystemEnv().now()
    authority = CertificateAuthority.create("test", now)
    due = renewal(authority.serving("podling", ["localhost"], now).certificate)
    assert 291 * DAY < due - now < 293 * DAY


async def test_a_certificate_that_is_nearly_over_is_replaced_under_way() -> None:
    env = Later()
    made: list[bytes] = []

    async with serving(env=env, renew=lambda: renew()) as api:

        def renew() -> tuple[bytes, bytes]:
            pair = api.authority.serving("podling", ["127.0.0.1"], SystemEnv().now())
            made.append(pair.certificate)
            return pair.certificate, pair.key

        first = await serial(api)
        assert (await api.get("/version")).status_code == 200
        asleep = env.sleeping
        env.tick.set()
        async with asyncio.timeout(5):
            while env.sleeping < 2 * asleep:  # whoever slept has looked, and sleeps again
                await asyncio.sleep(0.01)
        assert await serial(api) == first and not made
        env.offset = 300 * DAY
        env.tick.set()
        async with asyncio.timeout(5):
            while await serial(api) == first:
                await asyncio.sleep(0.01)
        assert len(made) == 1
        assert (await api.get("/version")).status_code == 200
