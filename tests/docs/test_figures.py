"""The figures in the READMEs are those of the last run of the benchmark."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.parametrize(("name", "language"), [("README.md", "ENGLISH"), ("README.zh.md", "CHINESE")])
def test_the_figures_are_those_of_the_last_run(name: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    quote = importlib.import_module("quote")
    results, growth = (json.loads((BENCHMARKS / f"{each}.json").read_text("utf-8")) for each in ("results", "growth"))
    assert quote.figures(results, growth, getattr(quote, language)) in (ROOT / name).read_text("utf-8")
