#!/usr/bin/env bash
# Judges the manifests of a repository, and tells what a change of them opens. Runs wherever bash and git are;
# deploy/github-action and deploy/gitlab call it. It writes only into the folder and the file that it is told.
#
#   PCIZONE          the program; pcizone
#   PCIZONE_PATHS    what to judge, a file or folder a line; .
#   PCIZONE_BASE     the revision that the change is to be merged into; without it nothing is compared
#   PCIZONE_STRICT   true: what could not be proven counts too; false
#   PCIZONE_REPORTS  the folder for reports; .pcizone-reports. Hidden, so that PCIZONE_PATHS of the next run does not mean it
#   PCIZONE_FORMATS  which reports of `pcizone check` besides, by their names for -o, such as "sarif junit"
#   PCIZONE_SUMMARY  a file that the comparison is added to, as Markdown; it is in $PCIZONE_REPORTS/diff.md in any case
#
# Compared is HEAD with the commit that it and PCIZONE_BASE have in common; where GitHub or GitLab say that HEAD is the merge
# that they made of both, with its first parent.
#
# Ends like the worse of `pcizone check` and `pcizone diff`: 0 nothing, 1 something is violated or opened, 2 it could
# not be told, 3 wrong arguments.
set -euo pipefail

program=${PCIZONE:-pcizone}
reports=${PCIZONE_REPORTS:-.pcizone-reports}
worst=0

# Runs a command, and remembers the worst end.
run() {
  local code=0
  "$@" || code=$?
  if ((code > 3)); then
    echo "error: $1 $2 ended with $code" >&2
    code=2
  fi
  if ((code > worst)); then
    worst=$code
  fi
  return 0
}

# HEAD is the merge that a forge made of a change and what it is to be merged into. By its parents alone it could not be told
# from a merge that somebody made in the change.
is_merge_of_forge() {
  local made
  if [[ ${GITHUB_REF:-} == refs/pull/*/merge ]]; then
    made=${GITHUB_SHA:-}
  elif [[ ${CI_MERGE_REQUEST_EVENT_TYPE:-} == @(merged_result|merge_train) ]]; then
    made=${CI_COMMIT_SHA:-}
  else
    return 1
  fi
  # It may be that something else was checked out.
  [[ -z $made || $made == "$(git rev-parse HEAD)" ]] && git rev-parse --quiet --verify 'HEAD^2' >/dev/null
}

for needed in "$program" git; do
  if ! command -v "$needed" >/dev/null; then
    echo "error: there is no program $needed here" >&2
    exit 2
  fi
done

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
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
check=("$program" check --now "$now" "${files[@]}")
case ${PCIZONE_STRICT:-} in
true) check+=(--strict) ;;
false | '') ;;
*)
  echo "error: PCIZONE_STRICT is $PCIZONE_STRICT; it may be true or false" >&2
  exit 3
  ;;
esac

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
  if is_merge_of_forge; then
    base=$(git rev-parse --verify 'HEAD^1')
  # What others merged meanwhile is not of this change.
  elif ! base=$(git rev-parse --verify --end-of-options "$PCIZONE_BASE^{commit}") || ! base=$(git merge-base "$base" HEAD); then
    echo "error: $PCIZONE_BASE and HEAD have no common commit here; fetch the whole history" \
      "(fetch-depth: 0 of actions/checkout, GIT_DEPTH: 0 of GitLab)" >&2
    exit 2
  fi
  if [[ $base == "$(git rev-parse HEAD)" ]]; then
    echo "error: HEAD has no change beside $PCIZONE_BASE, so there is nothing to compare; was the change checked out?" \
      "(pull_request_target of GitHub checks out what it is to be merged into)" >&2
    exit 2
  fi
  run "$program" diff "$base" HEAD --now "$now" "${files[@]}" -o markdown >"$reports/diff.md"
  cat "$reports/diff.md"
  if [[ -n ${PCIZONE_SUMMARY:-} ]]; then
    cat "$reports/diff.md" >>"$PCIZONE_SUMMARY"
  fi
fi

exit "$worst"
