#!/usr/bin/env bash
# Runs each fuzz target of the tree for a time: tools/fuzz.sh 5s.
#
# A run fails if a target fails on an input, which Go then writes beside the test. It does not
# fail for "context deadline exceeded" alone: that is Go's fuzzing engine stopping a worker in
# the middle of an input when the time is over (golang/go#75804), and names no input.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: tools/fuzz.sh TIME, such as 5s}
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

only_out_of_time() {
	grep -q 'context deadline exceeded' "$log" &&
		! grep -Eq 'Failing input written|panic:|Fuzz[A-Za-z0-9_]*/[0-9a-f]+|seed#' "$log"
}

git ls-files -co --exclude-standard '*_test.go' | xargs grep -Ho '^func Fuzz[A-Za-z0-9_]*' |
	sed 's|^\([^/]*\):func |./\1:func |; s|/[^/]*:func | |' | sort -u |
	while read -r folder name; do
		echo "fuzz $folder $name"
		if "$go" test "./$folder" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -parallel 2 >"$log" 2>&1; then
			cat "$log"
		elif only_out_of_time; then
			grep '^fuzz:' "$log"
			echo "fuzz $folder $name: the time was over in the middle of an input; none failed"
		else
			cat "$log"
			exit 1
		fi
	done
