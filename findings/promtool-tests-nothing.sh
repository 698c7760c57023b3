#!/bin/sh
# promtool 2.42.0: tests of alerts that are not there succeed.
#
# A test that an alert does not fire leaves exp_alerts empty, as the documentation has it. Such a test
# also succeeds with the name of an alert that no rule has, and, with no more than a warning, where
# rule_files matches no file. So after an alert was renamed, or its file moved, all that says "this
# must not wake anybody" is still green, and tests nothing. A test that something fires does fail.
#
# Needs Debian's package prometheus, by apt-get, and no root.
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
apt-get download -qq -o APT::Sandbox::User=root prometheus=2.42.0+ds-5+deb12u1 >/dev/null
dpkg-deb --extract prometheus_*.deb .
cat > rules.yaml <<'YAML'
groups:
  - name: lab
    rules:
      - alert: ShardSilent
        expr: up == 0
YAML
try() { # try WHAT FILES ALERT
	cat > test.yaml <<YAML
rule_files: [$2]
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="shard"}', values: '0x20'}
    alert_rule_test:
      - {eval_time: 10m, alertname: $3, exp_alerts: []}
YAML
	if usr/bin/promtool test rules test.yaml >/dev/null 2>&1; then echo "$1: success"; else echo "$1: failure"; fi
}
{
	try 'the alert fires and should not' rules.yaml ShardSilent
	try 'no alert has this name' rules.yaml ShardIsSilent
	try 'no file matches' 'rules/*.yaml' ShardSilent
} > seen
usr/bin/promtool --version 2>&1 | sed -n '1s/ (.*//p'
cat seen
cat > expected <<'TEXT'
the alert fires and should not: failure
no alert has this name: success
no file matches: success
TEXT
diff expected seen || { echo 'the behaviour has changed'; exit 1; }
