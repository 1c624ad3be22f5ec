"""Request and response bodies, in a file for each kind of routes.

What is sent is made here and needs no validation: dictionaries, which pydantic-core writes as they are.
"""
