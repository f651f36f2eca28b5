#!/usr/bin/env bash
# Every file that deploys something, before the checker that its own world has for it: make deploy-check.
#
# The checkers that are Python packages are in the environment whose bin directory is given; the others are programs of
# the system. One that is not there is named with what brings it, and its files are not checked. The exit code is 1 when
# a checker has found something.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

readonly BIN="${1:?usage: deploy/check.sh <bin directory with hadolint, check-jsonschema and so on>}"
readonly KUBERNETES=1.34
scratch="$(mktemp -d)"
readonly scratch
trap 'rm -rf "$scratch"' EXIT
failed=0
unchecked=0

# check FILE CHECKER WORDS... - run a checker; its output is shown when it is not content.
check() {
    local file="$1" checker="$2" output
    shift 2
    if output="$("$@" 2>&1)"; then
        printf 'ok           %-48s %s\n' "$file" "$checker"
        grep '^WARN' <<<"$output"
    else
        printf 'FAILED       %-48s %s\n%s\n' "$file" "$checker" "$output"
        failed=$((failed + 1))
    fi
}

# there PROGRAM PACKAGE FILE... - whether a program of the system is there; if not, say which files are not checked.
there() {
    local program="$1" package="$2" file
    shift 2
    command -v "$program" >/dev/null && return
    for file in "$@"; do
        printf 'not checked  %-48s needs %s (%s)\n' "$file" "$program" "$package"
        unchecked=$((unchecked + 1))
    done
    return 1
}

# Kinds that a cluster has only with an operator (ScaledObject, PodMonitor) are in no schema of Kubernetes itself; a
# misspelt field of any other kind is an error.
kubernetes() {
    kubectl kustomize "deploy/kubernetes/$1" >"$scratch/$2.yaml" &&
        "$BIN/kubernetes-validate" --strict --kubernetes-version "$KUBERNETES" "$scratch/$2.yaml"
}

# The unit names a program that is on the host it is for; only there does systemd find it.
unit() {
    sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$1" >"$scratch/$(basename "$1")" &&
        systemd-analyze verify "$scratch/$(basename "$1")"
}

check docker-compose.yml check-jsonschema \
    "$BIN/check-jsonschema" --builtin-schema vendor.compose-spec docker-compose.yml
check deploy/Dockerfile hadolint "$BIN/hadolint" --failure-threshold style deploy/Dockerfile
for name in base overlays/development overlays/production; do
    there kubectl "the client of Kubernetes" "deploy/kubernetes/$name" &&
        check "deploy/kubernetes/$name" "kubectl kustomize, kubernetes-validate" kubernetes "$name" "${name//\//-}"
done
readonly UNIT=deploy/systemd/streamframe@.service
there systemd-analyze "package systemd" "$UNIT" && check "$UNIT" "systemd-analyze verify" unit "$UNIT"
readonly PROMETHEUS=deploy/prometheus/prometheus.yml RULES=deploy/prometheus/streamframe.rules.yml
if there promtool "package prometheus" "$PROMETHEUS" "$RULES"; then
    check "$RULES" "promtool check rules" promtool check rules "$RULES"
    # It reads the rules where the composition mounts them.
    sed 's|/etc/prometheus/|'"$PWD"'/deploy/prometheus/|' "$PROMETHEUS" >"$scratch/prometheus.yml"
    check "$PROMETHEUS" "promtool check config" promtool check config "$scratch/prometheus.yml"
fi
for file in deploy/check.sh native/wheels.sh .ci/run; do
    check "$file" shellcheck "$BIN/shellcheck" "$file"
done

echo "deploy-check: $failed failed, $unchecked not checked"
[[ $failed -eq 0 ]]
