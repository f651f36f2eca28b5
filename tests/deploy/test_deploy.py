"""The files in ``deploy/`` and ``docker-compose.yml`` fit each other, the program and its settings.

What they do in a cluster cannot be tried here; ``docs/deployment.md`` says what was tried, and how.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from streamframe.cli.exit_codes import exit_codes
from streamframe.cli.main import build_parser
from streamframe.cli.settings_sources import environment_layer, resolve, toml_layer
from streamframe.runtime.supervisor import SupervisorSpec

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STATEFUL: dict[str, Any] = yaml.safe_load((BASE / "statefulset.yaml").read_text())
POD: dict[str, Any] = STATEFUL["spec"]["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = (DEPLOY / "systemd" / "streamframe@.service").read_text()

SECONDS_TO_END = SupervisorSpec().stop_seconds + SupervisorSpec().exit_seconds
"""From SIGTERM until no process of ours is left, at the latest."""


def assert_understood(words: list[str]) -> None:
    """The command line knows these words."""
    _, unknown = build_parser().parse_known_args([str(word) for word in words])
    assert not unknown


def port_of_image(name: str) -> int:
    return int(re.findall(rf"{name}=(\d+)", DOCKERFILE)[0])


# -- docker-compose.yml ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_pinned_image_or_is_built_here(name):
    service = SERVICES[name]
    if "build" not in service:
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), "pin a release"
    else:
        assert (ROOT / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name):
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / source).exists(), source


@pytest.mark.parametrize("name", SERVICES)
def test_whoever_waits_for_a_healthy_service_can_see_that_it_is(name):
    for other, condition in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        if condition["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]


def test_commands_and_variables_of_our_services_are_understood():
    for name in ("topics", "worker", "cli"):
        assert_understood(SERVICES[name]["command"])
        environment = {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}
        resolve([environment_layer(environment)])


def test_what_starts_by_itself_is_a_whole_pipeline_and_the_rest_has_a_profile():
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    started = [name for name, needed in profiles.items() if not needed]
    assert started == ["kafka", "topics", "worker", "generator", "prometheus", "grafana"]
    assert {name: needed for name, needed in profiles.items() if needed} == {"overload": ["overload"], "cli": ["tools"]}
    assert "127.0.0.1:3000:3000" in SERVICES["grafana"]["ports"]


def test_no_key_of_the_composition_is_misspelt():
    known = {
        "image", "build", "command", "entrypoint", "environment", "volumes", "ports", "healthcheck", "depends_on",
        "restart", "profiles", "stop_grace_period",
    }  # fmt: skip
    assert all(set(service) <= known for service in SERVICES.values())
    assert set(COMPOSE) == {"name", "services", "volumes", "x-image", "x-not-watched"}


def test_workers_can_be_scaled_and_have_time_to_stop():
    worker = SERVICES["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    assert int(worker["stop_grace_period"].rstrip("s")) > SECONDS_TO_END


def test_prometheus_asks_at_the_ports_that_workers_listen_on():
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in config["scrape_configs"]}
    port = port_of_image("STREAMFRAME_TELEMETRY_PORT")
    assert ports == {"streamframe": port + 1, "streamframe-supervisor": port}
    mounted = [mount.split(":")[1] for mount in SERVICES["prometheus"]["volumes"]]
    assert set(config["rule_files"]) <= set(mounted)
    interval = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yml").read_text())
    assert interval["datasources"][0]["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]


def test_grafana_finds_the_dashboards_where_they_are_mounted():
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/streamframe.yml").read_text())["providers"][0]
    mounted = [mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.startswith(provider["options"]["path"])
    assert (ROOT / "grafana/dashboards" / Path(home).name).is_file()


# -- the image ---------------------------------------------------------------------------------------


def test_what_the_image_copies_exists_and_is_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    # The packages of a distribution are found by files that come with it.
    assert "topologies" in allowed
    for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source in allowed, source


def test_the_image_runs_as_nobody_special_and_gets_signals():
    assert re.search(r"^USER \d+:\d+$", DOCKERFILE, re.MULTILINE)
    assert 'ENTRYPOINT ["streamframe"]' in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE


def requirements(lock: str) -> list[tuple[Requirement, int]]:
    """Packages of a lock file, each with the number of its hashes."""
    blocks = re.split(r"\n(?=[a-z])", (DEPLOY / lock).read_text().split("\n", 2)[2])
    return [(Requirement(block.split(" \\\n")[0]), block.count("--hash=sha256:")) for block in blocks]


@pytest.mark.parametrize("lock", ["requirements.lock", "build.lock"])
def test_the_image_installs_exact_packages_by_their_hashes(lock):
    locked = requirements(lock)
    assert locked
    for package, hashes in locked:
        assert re.fullmatch(r"==[\d.]+(post\d+)?", str(package.specifier)), package
        assert hashes > 0, package
    (command,) = re.findall(rf"pip (?:(?!&&)[\s\S])*-r /src/{re.escape(lock)}", DOCKERFILE)
    assert "--require-hashes" in command


def test_the_lock_file_fits_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locked = {package.name: package for package, _ in requirements("requirements.lock") if holds(package)}
    build = {package.name: package for package, _ in requirements("build.lock")}
    for words in project["project"]["dependencies"]:
        wanted = Requirement(words)
        (version,) = [part.version for part in locked[wanted.name].specifier]
        assert wanted.specifier.contains(version), f"run: make lock ({words}, {version})"
    for words in project["build-system"]["requires"]:
        (version,) = [part.version for part in build[Requirement(words).name].specifier]
        assert Requirement(words).specifier.contains(version), "run: make lock"
        assert words in (DEPLOY / "build.in").read_text().splitlines()


def holds(package: Requirement) -> bool:
    """Whether the image installs it: its Python is 3.11."""
    return package.marker is None or package.marker.evaluate({"python_full_version": "3.11.9"})


def test_variables_of_the_image_are_settings():
    found = dict(re.findall(r"(STREAMFRAME_\w+)=(\S+)", DOCKERFILE))
    settings = resolve([environment_layer(found)]).settings
    assert (settings.telemetry.host, settings.telemetry.port) == ("0.0.0.0", 9464)
    assert settings.state.directory == "/var/lib/streamframe"


# -- Kubernetes --------------------------------------------------------------------------------------


def test_the_arguments_and_settings_of_a_pod_are_understood():
    assert_understood(CONTAINER["args"])
    settings = resolve([toml_layer(BASE / "streamframe.toml")]).settings
    mounts = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert settings.state.directory in mounts
    resolve([environment_layer({each["name"]: "pod-0" for each in CONTAINER["env"]})])
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    assert ports == {"status": settings.telemetry.port, "metrics": settings.telemetry.port + 1}


def test_a_pod_has_longer_to_stop_than_its_workers():
    assert POD["terminationGracePeriodSeconds"] > SECONDS_TO_END


def test_probes_ask_for_pages_that_exist_and_a_restore_is_no_reason_to_kill():
    paths = {name: CONTAINER[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    assert CONTAINER["livenessProbe"]["httpGet"]["port"] == "metrics"
    liveness = CONTAINER["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


def test_a_pod_is_scraped_budgeted_and_scaled_by_names_that_it_has():
    overlay = DEPLOY / "kubernetes/overlays/production"
    monitor = yaml.safe_load((overlay / "pod-monitor.yaml").read_text())
    scaled = yaml.safe_load((overlay / "scaled-object.yaml").read_text())
    budget = yaml.safe_load((BASE / "disruption-budget.yaml").read_text())
    told = yaml.safe_load((BASE / "kustomization.yaml").read_text())["labels"][0]
    assert told["includeSelectors"]
    labels = told["pairs"]
    for selector in (monitor["spec"]["selector"], budget["spec"]["selector"]):
        assert selector["matchLabels"].items() <= labels.items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in CONTAINER["ports"]}
    assert labels[monitor["spec"]["jobLabel"]].startswith("streamframe"), "the alert on up asks for this job"
    assert budget["spec"]["maxUnavailable"] == 1
    assert scaled["spec"]["scaleTargetRef"] == {"kind": STATEFUL["kind"], "name": STATEFUL["metadata"]["name"]}
    assert COMPOSE["services"]["worker"]["command"][1] == CONTAINER["args"][1]


def test_what_kustomize_is_told_exists():
    for file in (DEPLOY / "kubernetes").rglob("kustomization.yaml"):
        told = yaml.safe_load(file.read_text())
        files = [name for generator in told.get("configMapGenerator", []) for name in generator["files"]]
        for name in [*told["resources"], *files]:
            assert (file.parent / name).exists(), (file, name)


def test_no_more_replicas_than_partitions():
    scaled = yaml.safe_load((DEPLOY / "kubernetes/overlays/production/scaled-object.yaml").read_text())
    made = SERVICES["topics"]["command"]
    assert scaled["spec"]["maxReplicaCount"] <= int(made[made.index("--partitions") + 1])


# -- systemd -----------------------------------------------------------------------------------------


def test_the_unit_starts_what_the_command_line_knows_and_gives_it_time_to_stop():
    words = re.search(r"^ExecStart=\S+ (.+)$", UNIT, re.MULTILINE)
    assert words is not None
    assert_understood(words[1].split())
    assert int(re.findall(r"TimeoutStopSec=(\d+)", UNIT)[0]) > SECONDS_TO_END


def test_the_unit_does_not_repeat_what_a_restart_cannot_cure():
    listed = re.search(r"^RestartPreventExitStatus=(.+)$", UNIT, re.MULTILINE)
    assert listed is not None
    final = {code for code, _, _, restarted in exit_codes() if restarted == "no" and 2 <= code <= 7}
    assert {int(code) for code in listed[1].split()} == final


def test_the_settings_of_the_documentation_are_toml():
    tomllib.loads((BASE / "streamframe.toml").read_text())
