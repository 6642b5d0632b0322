"""The folder confines paths by itself too: a spec's own check is not the only one."""

from pathlib import Path

import pytest

from heron_ray.directory import DataDirectory
from heron_ray.errors import DataError


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """A folder with a set in it, beside one with a secret."""
    for folder in ("root/set", "secret"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "1.png").touch()
    return DataDirectory((tmp_path / "root").resolve())


@pytest.mark.parametrize("path", ["..", "../secret", "set/../../secret", "/etc", "//etc", "/"])
def test_a_path_that_leads_out_is_refused(directory: DataDirectory, path: str) -> None:
    with pytest.raises(DataError, match="leads out of HERON_DATA_DIR"):
        directory.folder(path)


@pytest.mark.parametrize("pattern", ["../../secret/*", "../../*/*.png"])
def test_a_pattern_that_leads_out_is_refused(directory: DataDirectory, pattern: str) -> None:
    with pytest.raises(DataError, match="leads out of HERON_DATA_DIR"):
        directory.files(directory.folder("set"), pattern)


@pytest.mark.parametrize("target", ["../secret", "../../etc", "/etc"])
def test_a_linked_folder_that_leads_out_is_refused(directory: DataDirectory, target: str) -> None:
    (directory.root / "link").symlink_to(target)
    for path in ("link", "link/..", "link/1.png"):
        with pytest.raises(DataError, match=r"leads out of HERON_DATA_DIR|there is no folder"):
            directory.folder(path)


def test_a_link_in_a_class_folder_that_leads_out_is_refused(directory: DataDirectory) -> None:
    (directory.root / "set" / "2.png").symlink_to("../../secret/1.png")
    with pytest.raises(DataError, match=r"'set/2\.png' leads out of HERON_DATA_DIR"):
        directory.files(directory.folder("set"), "*")


def test_a_link_that_stays_below_the_folder_is_followed(directory: DataDirectory) -> None:
    (directory.root / "link").symlink_to("set")
    assert [path.name for path in directory.files(directory.folder("link"), "*")] == ["1.png"]
