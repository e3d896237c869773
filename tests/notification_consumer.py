"""Where basic notifications arrive in the tests of events."""

import asyncio
import contextlib

from aiohttp import web


@contextlib.asynccontextmanager
async def consumer():
    """An HTTP server that takes notifications: its address, and a queue of their bodies."""
    heard = asyncio.Queue()

    async def take(request):
        heard.put_nowait(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", heard
    finally:
        await runner.cleanup()
