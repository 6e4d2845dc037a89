"""The reader process dies, hangs and talks nonsense; the service does not."""

import sys
import threading
from pathlib import Path

import pytest

from iceflix.streaming.library import Format
from iceflix.streaming.prober import BadFile, Prober, ProberPool
from tests.unit.streaming.samples import FORMAT

# A reader whose answer is the name of the file.
SCRIPT = f"""
import json, os, signal, sys, time
for line in sys.stdin:
    path = json.loads(line)
    if path == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif path == "leave":
        sys.exit(3)
    elif path == "hang":
        time.sleep(1000)
    elif path == "slow":
        for part in json.dumps({{"format": {FORMAT.as_json()!r}}}).partition(" "):
            sys.stdout.write(part)
            sys.stdout.flush()
            time.sleep(0.01)
        print()
    elif path == "text":
        print(json.dumps({{"problem": "not a video", "lasting": True}}))
    else:
        print(json.dumps({{"problem": f"{{os.getpid()}} {{path!a}}", "lasting": False}}))
    sys.stdout.flush()
"""
COMMAND = (sys.executable, "-c", SCRIPT)


def _problem(prober: Prober | ProberPool, path: str) -> BadFile:
    with pytest.raises(BadFile) as caught:
        prober.examine(path)
    return caught.value


def test_answers_come_back() -> None:
    """A format, or a problem that lasts or passes; names of any bytes."""
    prober = Prober(COMMAND)
    assert prober.examine("slow") == FORMAT
    text = _problem(prober, "text")
    assert str(text) == "not a video" and text.lasting
    odd = _problem(prober, "a\n\udcff'\"")
    assert "\\udcff" in str(odd) and not odd.lasting
    prober.close()


@pytest.mark.parametrize(("path", "words"), [("crash", "SIGSEGV"), ("leave", "exit code 3")])
def test_a_crash_is_the_files_fault_and_nobody_elses(path: str, words: str) -> None:
    """The file is bad, the next one gets a new process."""
    prober = Prober(COMMAND)
    first = str(_problem(prober, "x"))
    crashed = _problem(prober, path)
    assert words in str(crashed) and crashed.lasting
    assert str(_problem(prober, "x")) != first
    prober.close()


def test_a_hang_has_an_end() -> None:
    """The process is killed, the next file gets a new one."""
    prober = Prober(COMMAND, timeout_seconds=1)
    assert "did not finish" in str(_problem(prober, "hang"))
    patient = Prober(COMMAND)
    assert str(_problem(patient, "text")) == "not a video"
    patient.close()


def test_closing_ends_a_question_that_is_open() -> None:
    """The service stops while a file is being looked into."""
    pool = ProberPool(COMMAND)
    problems: list[BadFile] = []
    asked = threading.Thread(target=lambda: problems.append(_problem(pool, "hang")))
    asked.start()
    while asked.is_alive():
        pool.close()
        asked.join(0.05)
    assert len(problems) == 1


def test_as_many_processes_as_threads_ask() -> None:
    """Idle ones are used again."""
    pool = ProberPool(COMMAND)
    alone = {str(_problem(pool, "x")) for _ in range(5)}
    assert len(alone) == 1
    together: list[Format] = []
    threads = [
        threading.Thread(target=lambda: together.append(pool.examine("slow"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == [FORMAT] * 3
    pool.close()
    pool.close()


def test_the_real_reader(tmp_path: Path) -> None:
    """It says why a text is no video, and a missing file is not a reason that lasts."""
    file = tmp_path / "a.txt"
    file.write_text("hello\n" * 100)
    pool = ProberPool()
    text = _problem(pool, str(file))
    assert str(text) == "not a video (text/plain)" and text.lasting
    missing = _problem(pool, str(tmp_path / "missing.mp4"))
    assert "No such file" in str(missing) and not missing.lasting
    pool.close()
