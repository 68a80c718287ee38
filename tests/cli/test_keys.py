"""Root key files: made once, never overwritten, refused when others can use them, never shown."""

import base64
import stat

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.keyfile import KeyFileError, development_keys, load_keys, new_keys

SECRET = bytes(range(32))
B64 = base64.b64encode(SECRET).decode()


@pytest.fixture
def write(tmp_path):
    def write(text: str, mode: int = 0o600):
        path = tmp_path / "keys.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_a_new_file_is_private_and_reads_back(tmp_path):
    path = tmp_path / "keys.toml"
    made = new_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = load_keys(path)
    assert loaded == made
    assert (loaded.current, loaded.kids, len(loaded.keys[0]), loaded.development) == (0, (0,), 32, False)


def test_two_files_never_hold_the_same_key(tmp_path):
    assert new_keys(tmp_path / "a").keys != new_keys(tmp_path / "b").keys


def test_the_command_makes_a_file_and_refuses_the_second_time(tmp_path):
    path = tmp_path / "keys.toml"
    assert CliRunner().invoke(main, ["keys", "new", str(path)]).exit_code == 0
    before = path.read_bytes()
    again = CliRunner().invoke(main, ["keys", "new", str(path)])
    assert again.exit_code == 2
    assert again.stderr.count("\n") == 1
    assert path.read_bytes() == before


def test_the_command_does_not_follow_a_link_to_somewhere_else(tmp_path):
    (tmp_path / "keys.toml").symlink_to(tmp_path / "elsewhere")
    assert CliRunner().invoke(main, ["keys", "new", str(tmp_path / "keys.toml")]).exit_code == 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_directory_is_one_line(tmp_path):
    refused = CliRunner().invoke(main, ["keys", "new", str(tmp_path / "no" / "keys.toml")])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_several_keys_may_live_in_base64_or_hex(write):
    keys = load_keys(write(f'current = 7\n[keys]\n0 = "{B64}"\n7 = "{SECRET[::-1].hex()}"\n'))
    assert keys.keys == {0: SECRET, 7: SECRET[::-1]}
    assert keys.current == 7


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644, 0o666])
def test_a_file_that_others_can_use_is_refused(write, mode):
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_keys(write(f'current = 0\n[keys]\n0 = "{B64}"\n', mode))


def test_a_group_may_read_it(write):
    assert load_keys(write(f'current = 0\n[keys]\n0 = "{B64}"\n', 0o640)).current == 0


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "no \\[keys\\]"),
        ("[keys]\n", "no \\[keys\\]"),
        (f'[keys]\n0 = "{B64}"\n', "current"),
        (f'current = 1\n[keys]\n0 = "{B64}"\n', "current"),
        (f'current = true\n[keys]\n1 = "{B64}"\n', "current"),
        (f'current = 0\n[keys]\n256 = "{B64}"\n', "0 to 255"),
        (f'current = 0\n[keys]\nzero = "{B64}"\n', "0 to 255"),
        (f'current = 0\n[keys]\n0 = "{B64}"\n00 = "{B64}"\n', "same id"),
        (f'current = 0\n[keys]\n0 = "{B64[:-4]}"\n', "not 32 bytes"),
        ('current = 0\n[keys]\n0 = "not base64!"\n', "not 32 bytes"),
        ("current = 0\n[keys]\n0 = 5\n", "not 32 bytes"),
        (f'current = 0\n[keys]\n0 = "{B64}\n', "not TOML"),
    ],
)
def test_a_malformed_file_is_one_line_without_key_material(write, text, trouble):
    with pytest.raises(KeyFileError, match=trouble) as caught:
        load_keys(write(text))
    assert "\n" not in str(caught.value)
    assert B64[:12] not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(KeyFileError, match=r"keys\.toml: No such file"):
        load_keys(tmp_path / "keys.toml")


def test_no_repr_shows_a_key(tmp_path):
    keys = new_keys(tmp_path / "keys.toml")
    assert repr(keys.keys[0]) not in repr(keys)
    assert base64.b64encode(keys.keys[0]).decode() not in repr(keys)


def test_development_keys_are_made_once_and_marked(tmp_path):
    made = development_keys(tmp_path / "keys.toml")
    assert made.development
    assert development_keys(tmp_path / "keys.toml") == made
