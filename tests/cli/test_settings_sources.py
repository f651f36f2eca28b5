"""Settings from five sources: the strongest wins, its name is known, and nothing misspelt passes."""

import dataclasses
import re
from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.cli.options import Sources, sources_of
from streamframe.cli.settings_sources import (
    FIELDS,
    EffectiveSettings,
    app_layer,
    environment_layer,
    expression_layer,
    resolve,
    setting_of,
    toml_layer,
)
from streamframe.core.errors import ConfigError
from streamframe.core.settings import Settings


def options(**given: object) -> Namespace:
    return Namespace(**{"expressions": [], "config": None, "client_config": None, **given})


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def from_environment(**variables: str) -> EffectiveSettings:
    return resolve([environment_layer(variables)])


def test_without_any_source_everything_is_the_default():
    assert resolve([]) == EffectiveSettings(settings=Settings())
    assert all(source == "default" for _, _, source in resolve([]).lines())


def test_every_setting_is_known_by_its_name():
    groups = {field.name: getattr(Settings(), field.name) for field in dataclasses.fields(Settings)}
    assert list(FIELDS) == [
        f"{name}.{field.name}" for name, group in groups.items() for field in dataclasses.fields(group)
    ]


def test_the_strongest_source_wins_and_is_named(tmp_path):
    config = file(
        tmp_path, "prod.toml", '[commit]\ninterval = "2s"\n[kafka]\nbootstrap = "toml:1"\n[state]\nmemory = "2GB"'
    )
    client = file(tmp_path, "client.properties", "bootstrap.servers=java:1\n")
    variables = {"STREAMFRAME_KAFKA_BOOTSTRAP": "env:1", "STREAMFRAME_COMMIT_GUARANTEE": "at_least_once"}
    args = options(bootstrap="cli:1", config=config, client_config=client)
    program = {
        "kafka.bootstrap": "app:1",
        "commit.interval": 100_000,
        "commit.guarantee": "exactly_once",
        "state.directory": "app-state",
        "limits.watchdog": 5_000_000,
    }

    def bootstrap(sources: Sources) -> str:
        return sources.resolve(program).settings.kafka.bootstrap

    found = sources_of(args, variables).resolve(program)
    assert found.settings.kafka.bootstrap == "cli:1"
    assert found.settings.commit.interval == 2_000_000
    assert found.settings.commit.guarantee == "at_least_once"
    assert found.settings.state.directory == "app-state"
    assert found.settings.limits.watchdog == 5_000_000
    assert found.sources == {
        "kafka.bootstrap": "--bootstrap",
        "commit.interval": str(config),
        "state.memory": str(config),
        "commit.guarantee": "STREAMFRAME_COMMIT_GUARANTEE",
        "state.directory": "App(...)",
        "limits.watchdog": "App(...)",
    }
    assert bootstrap(sources_of(options(config=config, client_config=client), variables)) == "env:1"
    assert bootstrap(sources_of(options(config=config, client_config=client), {})) == "java:1"
    assert bootstrap(sources_of(options(config=config), {})) == "toml:1"
    assert bootstrap(sources_of(options(), {})) == "app:1"


def test_files_may_be_named_by_variables(tmp_path):
    config = file(tmp_path, "prod.toml", '[kafka]\nbootstrap = "toml:1"')
    client = file(tmp_path, "c.properties", "security.protocol=SSL")
    variables = {"STREAMFRAME_CONFIG": str(config), "STREAMFRAME_CLIENT_CONFIG": str(client)}

    found = sources_of(options(), variables).resolve({}).settings
    assert (found.kafka.bootstrap, found.kafka.client) == ("toml:1", {"security.protocol": "SSL"})


def test_client_properties_of_several_sources_are_put_together_one_by_one(tmp_path):
    config = file(
        tmp_path,
        "prod.toml",
        '[kafka.client]\n"security.protocol" = "SASL_SSL"\nsasl.mechanism = "PLAIN"\nx = true\ny = 3',
    )
    variables = {"STREAMFRAME_KAFKA_CLIENT_SASL_PASSWORD": "hunter2"}
    args = options(config=config, expressions=["sasl.mechanism=SCRAM-SHA-512"])

    found = sources_of(args, variables).resolve({"kafka.client": {"client.rack": "a", "x": "app"}})
    assert found.settings.kafka.client == {
        "client.rack": "a",
        "x": "true",
        "y": "3",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.password": "hunter2",
    }
    assert found.sources["kafka.client.sasl.mechanism"] == "-X"
    assert found.sources["kafka.client.client.rack"] == "App(...)"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("STREAMFRAME_COMMIT_INTERVAL", "250ms", "commit.interval", 250_000),
        ("STREAMFRAME_COMMIT_INTERVAL", "2", "commit.interval", 2_000_000),
        ("STREAMFRAME_KAFKA_SESSION_TIMEOUT_MS", "6000", "kafka.session_timeout_ms", 6000),
        ("STREAMFRAME_KAFKA_SESSION_TIMEOUT_MS", "6s", "kafka.session_timeout_ms", 6000),
        ("STREAMFRAME_STATE_MEMORY", "512MB", "state.memory", 512 << 20),
        ("STREAMFRAME_LIMITS_PREFETCH_KIB", "1MB", "limits.prefetch_kib", 1024),
        ("STREAMFRAME_LIMITS_PREFETCH_KIB", "100", "limits.prefetch_kib", 100),
        ("STREAMFRAME_KAFKA_REPLICATION_FACTOR", "-1", "kafka.replication_factor", -1),
        ("STREAMFRAME_KAFKA_STATIC_MEMBERSHIP", "Yes", "kafka.static_membership", True),
        ("STREAMFRAME_COMMIT_GUARANTEE", "at-least-once", "commit.guarantee", "at_least_once"),
    ],
)
def test_values_have_units(variable, text, name, value):
    group, _, attribute = name.partition(".")
    assert getattr(getattr(from_environment(**{variable: text}).settings, group), attribute) == value


@pytest.mark.parametrize(
    ("name", "raw", "hint"),
    [
        ("commit.interval", "fast", "write a number and a unit"),
        ("commit.interval", True, "duration"),
        ("commit.interval", "-1s", "must not be negative"),
        ("state.memory", "much", "write a number and a unit"),
        ("limits.poll_records_max", "1.5", "whole number"),
        ("limits.poll_records_max", "-5", "must not be negative"),
        ("kafka.replication_factor", "-2", "must not be negative"),
        ("kafka.static_membership", "maybe", "true or false"),
        ("commit.guarantee", "exactly_onec", "did you mean 'exactly_once'?"),
        ("telemetry.log_format", "xml", "one of: text, json"),
    ],
)
def test_a_value_without_meaning_names_setting_source_and_what_would_do(name, raw, hint):
    with pytest.raises(ConfigError) as caught:
        FIELDS[name].parse(raw, "prod.toml")
    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert caught.value.facts == {"setting": name, "value": str(raw), "source": "prod.toml"}


def test_a_misspelt_name_in_a_file_is_an_error_with_the_nearest_name(tmp_path):
    with pytest.raises(ConfigError, match=r"did you mean 'commit\.interval'\?"):
        toml_layer(file(tmp_path, "prod.toml", "[commit]\nintervall = 1"))


def test_a_group_that_is_a_value_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no such setting"):
        toml_layer(file(tmp_path, "prod.toml", "commit = 1"))


def test_a_table_that_is_a_value_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no such setting"):
        toml_layer(file(tmp_path, "prod.toml", "[kafka]\nclient = 1"))


def test_a_file_that_is_no_toml_says_where(tmp_path):
    with pytest.raises(ConfigError, match=r"not TOML[\s\S]*line 1"):
        toml_layer(file(tmp_path, "prod.toml", "commit = = 1"))


def test_a_missing_file_suggests_the_one_that_is_there(tmp_path):
    file(tmp_path, "prod.toml", "")
    with pytest.raises(ConfigError, match=r"did you mean 'prod\.toml'\?"):
        toml_layer(tmp_path / "pord.toml")


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("STREAMFRAME_COMMIT_INTERVAL_", "did you mean 'STREAMFRAME_COMMIT_INTERVAL'?"),
        ("STREAMFRAME_BOOTSTRAP", "did you mean 'STREAMFRAME_KAFKA_BOOTSTRAP'?"),
        ("STREAMFRAME_KAFKA_CLIENT_", "STREAMFRAME_"),
    ],
)
def test_a_misspelt_variable_is_an_error_with_the_nearest_name(variable, hint):
    with pytest.raises(ConfigError) as caught:
        from_environment(**{variable: "secret-value"})
    assert hint in str(caught.value)
    assert "secret-value" not in str(caught.value)


def test_variables_that_are_no_settings_are_let_be():
    found = from_environment(
        PATH="x",
        STREAMFRAME_JAVA="x",
        STREAMFRAME_TEST_BOOTSTRAP="x",
        STREAMFRAME_COMMIT_INTERVAL="",
        # A Kubernetes service called streamframe-metrics:
        STREAMFRAME_METRICS_SERVICE_HOST="10.0.0.1",
        STREAMFRAME_METRICS_SERVICE_PORT="9090",
        STREAMFRAME_METRICS_SERVICE_PORT_HTTP="9090",
        STREAMFRAME_METRICS_PORT="tcp://10.0.0.1:9090",
        STREAMFRAME_METRICS_PORT_9090_TCP_ADDR="10.0.0.1",
        STREAMFRAME_PORT="tcp://10.0.0.1:9090",
    )
    assert found == resolve([])


def test_x_takes_settings_and_client_properties():
    found = resolve([expression_layer(["limits.poll_wait=20ms", "security.protocol=SSL", "ssl.ca.pem=a=b"])]).settings
    assert found.limits.poll_wait == 20_000
    assert found.kafka.client == {"security.protocol": "SSL", "ssl.ca.pem": "a=b"}


@pytest.mark.parametrize("pair", ["commit.intervall=1s", "comit.interval=1s", "commit.=1"])
def test_x_refuses_a_misspelt_setting(pair):
    with pytest.raises(ConfigError, match=r"did you mean 'commit\.interval'|there is no such setting"):
        resolve([expression_layer([pair])])


def test_x_without_a_value_does_not_repeat_what_may_be_a_secret_after_it():
    with pytest.raises(ConfigError, match="-X takes name=value"):
        expression_layer(["sasl.password"])


def test_secrets_are_masked_and_the_rest_is_shown_as_it_is_written():
    layers = [
        environment_layer({"STREAMFRAME_KAFKA_CLIENT_SASL_PASSWORD": "hunter2"}),
        app_layer({"state.memory": 1 << 30}),
    ]
    rows = {name: (value, source) for name, value, source in resolve(layers).lines()}

    assert rows["kafka.client.sasl.password"] == ("********", "STREAMFRAME_KAFKA_CLIENT_SASL_PASSWORD")
    assert rows["state.memory"] == ("1.0 GiB", "App(...)")
    assert rows["commit.interval"] == ("1s", "default")


@given(st.sampled_from(sorted(FIELDS)))
def test_what_is_shown_can_be_written_again(name):
    field = FIELDS[name]
    if field.unit != "map":
        assert field.parse(field.show(field.default), "test") == field.default


@given(st.text(max_size=40))
def test_any_name_is_a_setting_or_none(name):
    found = setting_of(name)
    assert found is None or found[0] in FIELDS


def test_a_setting_that_is_named_like_a_variable_of_kubernetes_is_taken_and_an_address_in_it_is_not():
    def port(raw: str) -> int:
        return resolve([environment_layer({"STREAMFRAME_TELEMETRY_PORT": raw})]).settings.telemetry.port

    assert port("9464") == 9464
    assert port("tcp://10.0.0.1:9464") == 0


def test_variables_of_the_package_that_are_no_settings_are_left_alone():
    """Found by reading the sources: what they take from the environment must not be refused as a setting."""
    root = Path(__file__).resolve().parents[2]
    read = re.compile(r"environ(?:\.get\(|\[)\s*\"(STREAMFRAME_[A-Z_]+)\"|getenv\(\s*\"(STREAMFRAME_[A-Z_]+)\"")
    names = {
        next(filter(None, found))
        for folder in ("streamframe", "native/python")
        for path in (root / folder).rglob("*.py")
        for found in read.findall(path.read_text())
    }
    assert "STREAMFRAME_NATIVE" in names
    environment_layer(dict.fromkeys(sorted(names), "1"))
