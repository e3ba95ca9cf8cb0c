#!/usr/bin/env bash
# Pages, rules, files and dashboards in the real Prometheus, which is installed if need be (Debian's package brings
# `prometheus` and `promtool`).
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus
fi
prometheus --version 2>&1 | head -1
cargo test --locked -p monitor-dashboard --test prometheus -- --ignored --test-threads=1
# What stands beside the example, as its README has it.
(cd examples/unified_service && promtool check config prometheus.yml && promtool check rules monitor.rules.yml)
