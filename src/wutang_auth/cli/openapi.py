"""`wutang-auth openapi`: the API as a document."""

import json

import typer


def openapi() -> None:
    """Print the OpenAPI document."""
    from wutang_auth.main import openapi_document

    typer.echo(json.dumps(openapi_document(), ensure_ascii=False, indent=2))
