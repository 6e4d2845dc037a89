# Sourced by the launchers in the root. Their head comment is their --help, which needs no set-up.
set -euo pipefail
root=$(dirname -- "$(readlink -f -- "$0")")
if [[ ${1-} == --help || ${1-} == -h ]]; then
  sed -n '2,/^$/{s/^# \{0,1\}//p}' "$0"
  exit 0
fi

export ICEFLIX_HOME=${ICEFLIX_HOME:-$root/var}
[[ $ICEFLIX_HOME == /* ]] || ICEFLIX_HOME=$PWD/$ICEFLIX_HOME

# launch MODULE ARGUMENT...: sets up what is missing, then becomes the module.
# -P: the current folder is where the user happens to be, no place to import from.
launch() {
  "$root/scripts/setup" run
  exec "$root/.venv/bin/python" -P -m "$@"
}
