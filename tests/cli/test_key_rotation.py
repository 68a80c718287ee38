"""Key files over their life: rotated, listed, compared, and cut down to what the mailer of one tenant needs."""

import json
import os
import stat

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.gate import Gate
from consent_stream.keyfile import KeyFileError, load_keys, new_keys, rotate_keys
from consent_stream.settings import Settings, SettingsError
from consent_stream.wire.keys import Keyring, UnknownTenantKey
from consent_stream.worker import run_worker

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys.toml"
    new_keys(path)
    return path


def run(*arguments):
    return CliRunner().invoke(main, ["keys", *map(str, arguments)])


def ring(path):
    keys = load_keys(path)
    return Keyring(keys.keys, keys.current, keys.derived, keys.fingerprints)


def derive(file, out, *tenants):
    asked = run("derive", file, *(word for tenant in tenants for word in ("--tenant", tenant)), "--out", out)
    assert asked.exit_code == 0, asked.output
    return out


def test_a_rotation_adds_a_key_and_keeps_all_others(file):
    before = load_keys(file)
    assert run("rotate", file).exit_code == 0
    after = load_keys(file)
    assert after.current == 1
    assert after.kids == (0, 1)
    assert after.keys[0] == before.keys[0] != after.keys[1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == [file.name]


def test_the_mode_that_lets_a_group_read_stays_and_a_link_stays_a_link(file, tmp_path):
    file.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    rotate_keys(link)
    assert link.is_symlink()
    assert load_keys(file).current == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_rotation_that_was_cut_off_leaves_the_file_and_is_told(file):
    before = file.read_bytes()
    beside = file.with_name("keys.toml.rotating")
    beside.write_text("half")
    refused = run("rotate", file)
    assert (refused.exit_code, "remove it" in refused.output) == (2, True)
    assert (file.read_bytes(), beside.read_text()) == (before, "half")


def test_a_full_file_is_not_rotated_and_an_id_that_was_taken_out_is_not_used_again_while_others_are_free(file):
    assert [rotate_keys(file).current for _ in range(3)] == [1, 2, 3]
    text = file.read_text().splitlines()
    file.write_text("\n".join(line for line in text if not line.startswith("1 =")) + "\n")
    assert rotate_keys(file).current == 4
    file.write_text("current = 0\n[keys]\n" + "".join(f'{kid} = "{"00" * 32}"\n' for kid in range(256)))
    with pytest.raises(KeyFileError, match="256"):
        rotate_keys(file)


def test_list_tells_ids_and_fingerprints_and_no_key(file):
    rotate_keys(file)
    told = run("list", file).output + run("list", file, "--json").output
    keys = load_keys(file)
    assert json.loads(run("list", file, "--json").output)["fingerprints"] == ring(file).fingerprints()
    assert "key 1" in told
    for line in file.read_text().splitlines():
        if line.endswith('"'):
            assert line.split('"')[1] not in told
    assert all(key.hex() not in told for key in keys.keys.values())


def test_derived_keys_answer_for_their_tenants_and_for_no_other(file, tmp_path):
    rotate_keys(file)
    root, mine = ring(file), ring(derive(file, tmp_path / "acme.toml", "acme", "Bücher & Co."))
    for tenant in ("acme", "Bücher & Co."):
        assert mine.all(tenant, "email", "ana@example.com") == root.all(tenant, "email", "ana@example.com")
    for tenant in ("globex", "", "acme2"):
        with pytest.raises(UnknownTenantKey):
            mine.all(tenant, "email", "ana@example.com")
    assert stat.S_IMODE((tmp_path / "acme.toml").stat().st_mode) == 0o600


def test_no_root_key_and_no_other_tenants_key_stands_in_a_derived_file(file, tmp_path):
    """HKDF goes one way; what is in the file are outputs, none of which is the key that others are made from."""
    text = derive(file, tmp_path / "acme.toml", "acme").read_text()
    told = {tuple(key) for key in load_keys(tmp_path / "acme.toml").derived.values()}
    root = load_keys(file).keys[0]
    assert tuple(root) not in told
    assert tuple(ring(file).tenant_key("globex", 0)) not in told
    taken_for_a_root = Keyring({0: next(iter(load_keys(tmp_path / "acme.toml").derived.values()))})
    assert taken_for_a_root.tenant_key("globex", 0) != ring(file).tenant_key("globex", 0)
    assert root.hex() not in text


def test_a_gate_with_one_tenants_keys_says_so_of_another_tenant(file, tmp_path):
    with Gate(bootstrap=NOWHERE, keys=derive(file, tmp_path / "acme.toml", "acme")) as gate:
        assert gate.check(tenant="globex", email="ana@example.com").reasons[-1] == "unknown_tenant_key"
        assert gate.check(tenant="acme", email="ana@example.com").reasons == ("not_ready",)


def test_derived_keys_of_another_root_are_told_from_those_that_the_lists_are_written_with(file, tmp_path):
    other = tmp_path / "other.toml"
    new_keys(other)
    wrong = ring(derive(other, tmp_path / "acme.toml", "acme"))
    assert wrong.differing(ring(file).fingerprints()) == ["0"]
    right = ring(derive(file, tmp_path / "right.toml", "acme"))
    assert right.differing(ring(file).fingerprints()) == []
    rotate_keys(file)
    assert right.lacking(ring(file).fingerprints()) == ["1"]


def test_a_worker_refuses_keys_of_single_tenants(file, tmp_path):
    settings = Settings(bootstrap=NOWHERE, keys=derive(file, tmp_path / "acme.toml", "acme"), data_dir=tmp_path / "d")
    with pytest.raises(SettingsError, match="root key file"):
        run_worker(settings, ("intake", "state"))


def test_nothing_is_derived_or_rotated_from_derived_keys_and_nothing_overwritten(file, tmp_path):
    acme = derive(file, tmp_path / "acme.toml", "acme")
    assert run("derive", acme, "--tenant", "globex", "--out", tmp_path / "g.toml").exit_code == 2
    assert run("rotate", acme).exit_code == 2
    assert run("derive", file, "--tenant", "acme", "--out", acme).exit_code == 2
    assert not (tmp_path / "g.toml").exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda text: text + '\n[keys]\n0 = "' + "00" * 32 + '"\n', "in one file"),
        (lambda text: text.partition("[fingerprints]")[0], "fingerprints"),
        (lambda text: text.replace("[fingerprints]\n0", "[fingerprints]\n7"), "fingerprints"),
        (lambda text: text + "[derived.globex]\n5 = \"" + "00" * 32 + '"\n', "differ"),
        (lambda text: text.replace("current = 0", "current = 3"), "current"),
        (lambda text: text.partition("[derived")[0] + "[derived]\n", "no tenant"),
        (lambda text: text.partition("[derived")[0] + "derived = 1\n", "no tenant"),
    ],
)  # fmt: skip
def test_a_derived_file_that_is_not_whole_is_refused_without_a_word_of_its_keys(file, tmp_path, wrong, told):
    acme = derive(file, tmp_path / "acme.toml", "acme")
    key = acme.read_text().split('0 = "')[1].split('"')[0]
    acme.write_text(wrong(acme.read_text()))
    with pytest.raises(KeyFileError, match=told) as refused:
        load_keys(acme)
    assert key not in str(refused.value)


def test_keys_are_in_no_repr(file, tmp_path):
    keys = load_keys(derive(file, tmp_path / "acme.toml", "acme"))
    (key,) = keys.derived.values()
    assert repr(key) not in repr(keys) + repr(Keyring(derived=keys.derived))


def test_check_looks_at_the_file_alone_or_asks_what_the_lists_are_written_with(file):
    assert run("check", file, "--offline").exit_code == 0
    file.chmod(0o604)
    assert run("check", file, "--offline").exit_code == 2


# -- the password of SASL


SECURE = {"bootstrap": "kafka.example:9093", "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512",
          "sasl_username": "mailer"}  # fmt: skip


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_text("hidden word \n")
    return path


def test_a_password_comes_from_a_file_to_the_last_blank(password):
    settings = Settings.read(SECURE, {"CONSENT_SASL_PASSWORD_FILE": str(password)})
    assert settings.librdkafka()["sasl.password"] == "hidden word "
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (lambda path: path.chmod(0o644), "chmod 600"),
        (lambda path: path.write_text(""), "empty"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(b"\xffhidden"), "UTF-8"),
    ],
)
def test_a_password_file_that_cannot_be_used_is_one_line_without_the_password(password, prepare, told):
    prepare(password)
    with pytest.raises(SettingsError, match=told) as refused:
        Settings(**SECURE, sasl_password_file=password)
    assert "hidden" not in str(refused.value)


def test_two_passwords_are_one_too_many(password):
    with pytest.raises(SettingsError, match="give one"):
        Settings(**SECURE, sasl_password="another", sasl_password_file=password)
