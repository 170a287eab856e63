"""The command line as a fixture."""

import pytest

from small import CommandLine


@pytest.fixture
def acclimate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """``acclimate ARGUMENTS`` in this process."""
    return CommandLine(monkeypatch, capsys)
