"""ASGI middleware, one concern a file.

Where a layer has nothing to do after the next one, it is a plain function that gives the next one's awaitable: a
coroutine for each layer would cost every request for nothing.
"""
