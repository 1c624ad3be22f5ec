"""The server: uvicorn with bounded heads, bounded waits and a stop that drops nothing."""
