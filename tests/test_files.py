"""A file holds its old or its new content."""

from __future__ import annotations

import os

import pytest

from bead_sklearn._files import write_file


def test_permissions_are_those_of_new_files(tmp_path):
    before = os.umask(0o022)
    try:
        write_file(tmp_path / "new", lambda file: file.write("a\r\nb\n"))
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_bytes() == b"a\r\nb\n"
    if os.name == "posix":
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interruption_leaves_the_old_content(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted(file):
        file.write("ne")
        raise error

    with pytest.raises(error):
        write_file(path, interrupted)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    write_file(tmp_path / "link", lambda file: file.write("new"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_the_folder_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        write_file(tmp_path / "a" / "b", lambda file: file.write(""))
