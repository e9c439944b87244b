"""Children with limits survive, or end, what untrusted input makes a reader do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.foundation.cluster import Executor, Limits, run_limited
from loopwright.foundation.errors import Invalid, Unprocessable

HOSTILE = "tests.integration.foundation.hostile"


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(Limits(memory_mb=300, cpu_s=1, wall_s=10.0))
    yield made
    made.close()


def _pid(executor: Executor) -> int:
    return int(json.loads(executor.run(f"{HOSTILE}:environment", b""))["pid"])


def test_a_child_is_used_again_and_sees_no_secrets(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_SECRET_KEY", "sk-secret")
    assert executor.run(f"{HOSTILE}:upper", b"abc") == b"ABC"
    assert executor.run(f"{HOSTILE}:echo_and_print", b"") == b""
    big = os.urandom(5_000_000)
    assert executor.run(f"{HOSTILE}:echo_and_print", big) == big
    seen = json.loads(executor.run(f"{HOSTILE}:environment", b""))
    assert seen["names"] in ([], ["LC_CTYPE"])
    assert len(seen["fds"]) <= 6
    assert _pid(executor) == seen["pid"] != os.getpid()


def test_errors_of_ours_pass_and_the_child_lives_on(executor: Executor) -> None:
    before = _pid(executor)
    with pytest.raises(Invalid, match="page 3 has no text") as caught:
        executor.run(f"{HOSTILE}:refuse", b"")
    assert (caught.value.hint, caught.value.param) == ("run OCR first", "page")
    assert _pid(executor) == before


@pytest.mark.parametrize(
    ("function", "payload", "reason", "says"),
    [
        ("hoard", b"1000", "memory", "300 MiB"),
        ("spin", b"", "cpu", "1 s of processor time"),
        ("crash", b"", "crash", "SIGSEGV"),
        ("leave", b"", "crash", "exit code 3"),
        ("stumble", b"", "error", "ZeroDivisionError: x / 0"),
        ("absent", b"", "error", "AttributeError"),
    ],
)
def test_what_goes_wrong_has_a_reason_and_the_next_call_works(
    executor: Executor, function: str, payload: bytes, reason: str, says: str
) -> None:
    before = _pid(executor)
    with pytest.raises(Unprocessable) as caught:
        executor.run(f"{HOSTILE}:{function}", payload)
    assert caught.value.reason == reason
    assert says in caught.value.message
    assert _pid(executor) != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_a_hang_ends_with_all_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(Unprocessable, match="longer than 3 s") as caught:
        run_limited(f"{HOSTILE}:sleep_with_a_child", str(note).encode(), memory_mb=300, cpu_s=5, wall_s=3.0)
    assert caught.value.reason == "time"
    assert time.monotonic() - begun < 8
    grandchild = int(note.read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{grandchild}/stat").exists() and _state(grandchild) != "Z":
        assert time.monotonic() < deadline, "the grandchild lives"
        time.sleep(0.02)


def test_the_negative_control_keeps_what_fits(executor: Executor) -> None:
    assert executor.run(f"{HOSTILE}:hoard", b"50") == b"kept"


def test_threads_share_the_children() -> None:
    executor = Executor(Limits(memory_mb=300), children=2)
    results: list[bytes] = []

    def work(number: int) -> None:
        results.append(executor.run(f"{HOSTILE}:upper", b"x%d" % number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(b"X%d" % number for number in range(8))
    assert len(executor._idle) <= 2
    executor.close()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
