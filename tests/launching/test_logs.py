"""A log that grows without end keeps its beginning and its end, and room on the disk."""

from manyscale.launching import logs


def test_the_middle_of_a_large_log_is_taken_out_while_it_is_written(tmp_path):
    place = tmp_path / "instances/a"
    place.mkdir(parents=True)
    path = place / "stdout.txt"
    line = b"residual 1e-3\n"
    with path.open("wb") as file:
        file.write(b"began\n" + line * (2**26 // len(line)))
        file.flush()
        before = path.stat()
        logs.bound(tmp_path, most=2**25)
        file.write(b"ended\n")
    after = path.stat()
    assert after.st_size == before.st_size + 6
    assert after.st_blocks * 512 < logs.HEAD + logs.TAIL + 2**20
    assert path.read_bytes().startswith(b"began\n")
    assert logs.tail(path).endswith("residual 1e-3\nended\n")
    assert logs.last_line(path) == "ended"


def test_small_logs_stay_as_they_are(tmp_path):
    path = tmp_path / "muscle3_manager.log"
    path.write_text("one\ntwo\n\n")
    logs.bound(tmp_path)
    assert path.read_text() == "one\ntwo\n\n"
    assert logs.last_line(path) == "two"
    assert logs.last_line(tmp_path / "none") == ""
