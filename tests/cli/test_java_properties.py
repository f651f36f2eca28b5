"""Client files of Java, as librdkafka understands them, never less secure than they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamframe.cli.java_properties import parse_properties, read_client_config, translate
from streamframe.cli.settings_sources import resolve
from streamframe.core.errors import ConfigError

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


def client(**properties: str) -> dict[str, str]:
    """librdkafka properties of a Java file, its dots written as underscores."""
    found = translate({name.replace("_", "."): value for name, value in properties.items()}, "client.properties")
    return dict(resolve([found.layer]).settings.kafka.client)


def test_a_cloud_client_file_is_read_as_a_whole(tmp_path):
    path = tmp_path / "client.properties"
    path.write_text(
        "# Required connection configs\n"
        "bootstrap.servers=pkc-1.confluent.cloud:9092\n"
        "security.protocol=SASL_SSL\n"
        f"sasl.jaas.config={PLAIN} required \\\n"
        '   username="KEY" \\\n'
        '   password="a\\\\"b=c;d";\n'
        "sasl.mechanism=PLAIN\n"
        "client.dns.lookup=use_all_dns_ips\n"
        "session.timeout.ms=45000\n"
        "acks=all\n"
        "schema.registry.url=https://x\n"
    )
    found = read_client_config(path)
    settings = resolve([found.layer]).settings.kafka

    assert settings.bootstrap == "pkc-1.confluent.cloud:9092"
    assert settings.session_timeout_ms == 45_000
    assert settings.client == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "KEY",
        "sasl.password": 'a"b=c;d',
        "client.dns.lookup": "use_all_dns_ips",
    }
    assert found.notes == (f"{path}: not used: acks, schema.registry.url",)


def test_scram_and_quotes_of_both_kinds():
    assert client(sasl_jaas_config=f"{SCRAM} required username='ann' password=secret;") == {
        "sasl.username": "ann",
        "sasl.password": "secret",
    }


def test_oauthbearer_means_oidc():
    found = client(
        sasl_mechanism="OAUTHBEARER",
        sasl_jaas_config=f'{OAUTH} required clientId="id" clientSecret="s" scope="kafka";',
        sasl_oauthbearer_token_endpoint_url="https://idp/token",
        sasl_login_callback_handler_class="org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    )
    assert found == {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "id",
        "sasl.oauthbearer.client.secret": "s",
        "sasl.oauthbearer.scope": "kafka",
        "sasl.oauthbearer.token.endpoint.url": "https://idp/token",
    }


def test_a_login_that_cannot_be_translated_is_an_error_that_does_not_show_it():
    with pytest.raises(ConfigError, match="cannot be translated") as caught:
        client(sasl_jaas_config='com.example.MyLogin required password="hunter2";')
    assert "hunter2" not in str(caught.value)
    assert caught.value.facts["module"] == "MyLogin"


def test_a_login_of_a_cloud_of_its_own_is_an_error():
    with pytest.raises(ConfigError, match="OAUTHBEARER"):
        client(sasl_client_callback_handler_class="software.amazon.msk.auth.iam.IAMClientCallbackHandler")


def test_pem_stores_are_files_of_openssl():
    found = client(
        ssl_truststore_type="PEM",
        ssl_truststore_location="/ca.pem",
        ssl_keystore_location="/me.pem",
        ssl_key_password="p",
    )
    assert found == {
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/me.pem",
        "ssl.key.location": "/me.pem",
        "ssl.key.password": "p",
    }


def test_pem_in_the_file_itself():
    found = client(ssl_truststore_certificates="CA", ssl_keystore_certificate_chain="CHAIN", ssl_keystore_key="KEY")
    assert found == {"ssl.ca.pem": "CA", "ssl.certificate.pem": "CHAIN", "ssl.key.pem": "KEY"}


def test_a_pkcs12_keystore_is_used_as_it_is():
    found = client(ssl_keystore_type="PKCS12", ssl_keystore_location="/me.p12", ssl_keystore_password="p")
    assert found == {"ssl.keystore.location": "/me.p12", "ssl.keystore.password": "p"}


@pytest.mark.parametrize(
    ("properties", "command"),
    [
        ({"ssl_truststore_location": "/x/trust.jks"}, "keytool -importkeystore -srckeystore /x/trust.jks"),
        ({"ssl_truststore_location": "/x/trust"}, "openssl pkcs12 -in trust.p12 -nokeys -out trust.pem"),
        ({"ssl_truststore_location": "/x/trust.p12"}, "openssl pkcs12 -in /x/trust.p12 -nokeys -out trust.pem"),
        ({"ssl_keystore_location": "/x/me.jks"}, "ssl.keystore.location=me.p12"),
        ({"ssl_keystore_location": "/x/me.pem", "ssl_keystore_type": "jks"}, "keytool"),
    ],
)
def test_a_store_that_only_java_reads_is_an_error_with_the_command_that_converts_it(properties, command):
    with pytest.raises(ConfigError) as caught:
        client(**properties)
    assert caught.value.hint is not None
    assert command in caught.value.hint


@pytest.mark.parametrize(("java", "ours"), [("", "none"), ("https", "https"), ("HTTPS", "https")])
def test_host_names_are_checked_as_the_file_says(java, ours):
    assert client(ssl_endpoint_identification_algorithm=java) == {"ssl.endpoint.identification.algorithm": ours}


def test_an_unknown_property_of_security_is_an_error_and_any_other_is_a_note():
    with pytest.raises(ConfigError, match=r"did you mean 'ssl\.truststore\.location'\?"):
        client(ssl_trustore_location="/ca.pem")
    assert translate({"my.app": "1"}, "f").notes == ("f: not used: my.app",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", {"a": "1"}),
        ("a : 1", {"a": "1"}),
        ("a 1", {"a": "1"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("  a = b = c  ", {"a": "b = c  "}),
        ("! comment\n# another\n\na=1", {"a": "1"}),
        ("a\\=b=c", {"a=b": "c"}),
        ("a=\\u0041\\t", {"a": "A\t"}),
        ("a=1\\\n   2\\\n3", {"a": "123"}),
        ("a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        ("a=1\r\nb=2\r", {"a": "1", "b": "2"}),
        ("a=1\na=2", {"a": "2"}),
        ("a=1\\", {"a": "1"}),
        ("a=1\\\n# no comment", {"a": "1# no comment"}),
    ],
)
def test_the_format_is_that_of_java(text, expected):
    assert parse_properties(text) == expected


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


BMP = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(BMP, BMP))
def test_escaped_entries_come_back(entries):
    text = "\n".join(f"{escaped(name)}={escaped(value)}" for name, value in entries.items())
    assert parse_properties(text) == entries


@given(st.text())
def test_any_text_is_read_without_an_accident(text):
    assert all(isinstance(value, str) for value in parse_properties(text).values())
