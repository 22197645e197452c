#!/usr/bin/env bash
# Judges the manifests of a repository, and tells what a change of them opens. Runs wherever bash and git are;
# deploy/github-action and deploy/gitlab call it. It writes only into the folder and the file that it is told.
#
#   PCIZONE          the program; pcizone
#   PCIZONE_PATHS    what to judge, a file or folder a line; .
#   PCIZONE_BASE     the revision that the change is to be merged into; without it nothing is compared
#   PCIZONE_STRICT   true: what could not be proven counts too
#   PCIZONE_REPORTS  the folder for reports; pcizone-reports
#   PCIZONE_FORMATS  which reports of `pcizone check` besides, by their names for -o, such as "sarif junit"
#   PCIZONE_SUMMARY  a file that the comparison is added to, as Markdown; it is in $PCIZONE_REPORTS/diff.md in any case
#
# Ends like the worse of `pcizone check` and `pcizone diff`: 0 nothing, 1 something is violated or opened, 2 it could
# not be told, 3 wrong arguments.
set -euo pipefail

program=${PCIZONE:-pcizone}
reports=${PCIZONE_REPORTS:-pcizone-reports}
worst=0

# Runs a command, and remembers the worst end.
run() {
  local code=0
  "$@" || code=$?
  if ((code > worst)); then
    worst=$code
  fi
  return 0
}

files=()
while IFS= read -r path; do
  if [[ -n $path ]]; then
    files+=(-f "$path")
  fi
done <<<"${PCIZONE_PATHS:-.}"
if ((${#files[@]} == 0)); then
  echo "error: PCIZONE_PATHS names nothing" >&2
  exit 3
fi

# One moment, so that all forms agree.
check=("$program" check --now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${files[@]}")
if [[ ${PCIZONE_STRICT:-} == true ]]; then
  check+=(--strict)
fi

mkdir -p "$reports"
run "${check[@]}"
for format in ${PCIZONE_FORMATS:-}; do
  run "${check[@]}" --quiet -o "$format" >"$reports/pcizone.$format"
  # A report of nothing says nothing, and would be read as one that found nothing.
  if [[ ! -s $reports/pcizone.$format ]]; then
    rm -f "$reports/pcizone.$format"
  fi
done

if [[ -n ${PCIZONE_BASE:-} ]]; then
  # What others merged meanwhile is not of this change.
  if ! base=$(git merge-base "$PCIZONE_BASE" HEAD); then
    echo "error: $PCIZONE_BASE and HEAD have no common commit here; fetch the whole history" \
      "(fetch-depth: 0 of actions/checkout, GIT_DEPTH: 0 of GitLab)" >&2
    exit 2
  fi
  run "$program" diff "$base" HEAD "${files[@]}" -o markdown >"$reports/diff.md"
  cat "$reports/diff.md"
  if [[ -n ${PCIZONE_SUMMARY:-} ]]; then
    cat "$reports/diff.md" >>"$PCIZONE_SUMMARY"
  fi
fi

exit "$worst"
