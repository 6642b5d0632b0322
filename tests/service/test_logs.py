import json
import logging
import subprocess
import sys

from api.logs import JsonFormatter

START = "import logging; from api.logs import LogFormat, start_logging; "


def lines_of(code):
    """What a process of its own says on stderr."""
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


def test_a_json_line_says_when_how_grave_where_and_what():
    (line,) = lines_of("start_logging(LogFormat.JSON); logging.getLogger('api').warning('experiment %s\\nwas lost', 'abc')")
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"]) == ("WARNING", "api", "experiment abc\nwas lost")
    assert told["time"].endswith("+00:00")
    assert told["process"] > 0
    assert "traceback" not in told


def test_text_is_for_people_and_leaves_out_what_is_below_its_level():
    code = "start_logging(LogFormat.TEXT, level=logging.WARNING, text='heron serve: %(message)s');"
    assert lines_of(f"{code} logging.info('not shown'); logging.warning('shown')") == ["heron serve: shown"]


def test_an_error_stays_on_one_line_with_its_traceback():
    try:
        raise ValueError("the \ud800 reason")
    except ValueError:
        record = logging.LogRecord("api", logging.ERROR, __file__, 1, "%s failed", ({"a": object()},), sys.exc_info())
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line)["traceback"].endswith("ValueError: the \ud800 reason")
