# Completion of dayfly for bash. Written by docs/man/make.py: do not edit.
_dayfly() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]} options=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W 'run ps logs attach wait kill inspect apply history uploads top events doctor info stats drain config version' -- "$word"))
    return
  fi
  case $before in
    --workspace) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --git) return ;;
    --git-ref) return ;;
    --git-credentials) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --git-key) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --git-known-hosts) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --git-ca) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --mount) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --file) return ;;
    --secret) return ;;
    --tar) return ;;
    --image) COMPREPLY=($(compgen -W 'host' -- "$word")); return ;;
    --network) COMPREPLY=($(compgen -W 'none host' -- "$word")); return ;;
    --user) COMPREPLY=($(compgen -W 'agent root' -- "$word")); return ;;
    --profile) COMPREPLY=($(compgen -W 'dev strict' -- "$word")); return ;;
    --env|-e) return ;;
    --workdir|-w) COMPREPLY=($(compgen -d -- "$word")); return ;;
    --result) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --webhook) return ;;
    --webhook-on) return ;;
    --changes) return ;;
    --changes-format) COMPREPLY=($(compgen -W 'tar patch bundle' -- "$word")); return ;;
    --changes-branch) return ;;
    --artifact) return ;;
    --artifacts-to) return ;;
    --artifacts-timeout) return ;;
    --upload) return ;;
    --upload-url) return ;;
    --upload-credentials) return ;;
    --timeout) return ;;
    --idle-timeout) return ;;
    --cpu-time) return ;;
    --grace) return ;;
    --queue-timeout) return ;;
    --memory|-m) return ;;
    --memory-high) return ;;
    --swap) return ;;
    --cpus) return ;;
    --cpu-weight) return ;;
    --pids) return ;;
    --io-read) return ;;
    --io-write) return ;;
    --disk) return ;;
    --inodes) return ;;
    --output-limit) return ;;
    --open-files) return ;;
    --file-size) return ;;
    --core) return ;;
    --artifacts-size) return ;;
    --artifact-files) return ;;
    --best-effort) COMPREPLY=($(compgen -W 'memory cpus pids cpu_time memory_high swap cpu_weight io_read io_write disk inodes' -- "$word")); return ;;
    --name) return ;;
    --label|-l) return ;;
    --priority) return ;;
    --concurrency) return ;;
    --idempotency-key) return ;;
    --socket) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --after) return ;;
    --signal|-s) COMPREPLY=($(compgen -W 'TERM KILL INT HUP QUIT USR1 USR2' -- "$word")); return ;;
    --outcome) return ;;
    --cause) return ;;
    --state) return ;;
    --since) return ;;
    --until) return ;;
    --limit|-n) return ;;
    --interval|-d) return ;;
    --iterations|-n) return ;;
    --sort|-s) return ;;
    --state-dir) return ;;
    --format) return ;;
  esac
  case $verb in
    run) options='--workspace --hide-ignored --no-git-dir --git --git-ref --git-full --git-refresh --git-submodules --git-credentials --git-key --git-agent --git-known-hosts --git-ca --mount --file --secret --tar --image --network --user --profile --env --workdir --interactive --tty --detach --keep --json --result --webhook --webhook-on --changes --changes-format --changes-branch --apply --artifact --artifacts-to --artifacts-timeout --upload --upload-url --upload-credentials --no-wait-upload --timeout --idle-timeout --cpu-time --grace --queue-timeout --memory --memory-high --swap --cpus --cpu-weight --pids --io-read --io-write --disk --inodes --output-limit --kill-on-output-limit --open-files --file-size --core --artifacts-size --artifact-files --best-effort --name --label --priority --no-queue --concurrency --idempotency-key --no-autostart --socket --help -e -w -i -t -d -m -l -h' ;;
    ps) options='--all --label --quiet --no-trunc --json --socket --help -a -l -q -h' ;;
    logs) options='--follow --after --json --socket --help -f -h' ;;
    attach) options='--interactive --after --json --socket --help -i -h' ;;
    wait) options='--json --result --socket --help -h' ;;
    kill) options='--signal --socket --help -s -h' ;;
    inspect) options='--socket --help -h' ;;
    apply) options='--dry-run --ask --unchecked --help -n -h' ;;
    history) options='--outcome --cause --state --label --name --since --until --user --all-users --limit --quiet --no-trunc --json --socket --help -l -u -a -n -q -h' ;;
    uploads) options='--wait --json --socket --help -h' ;;
    top) options='--interval --iterations --once --sort --all --label --json --socket --help -d -n -s -a -l -h' ;;
    events) options='--all --label --snapshot --json --socket --help -a -l -s -h' ;;
    doctor) options='--json --state-dir --help -h' ;;
    info) options='--json --socket --help -h' ;;
    stats) options='--format --socket --help -h' ;;
    drain) options='--off --json --socket --help -h' ;;
    config) options='--json --socket --help -h' ;;
    version) options='--help -h' ;;
  esac
  if [ "${word#-}" != "$word" ]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [ "$verb" = run ]; then
    COMPREPLY=($(compgen -c -- "$word"))
  elif [[ " attach events history inspect kill logs uploads wait " = *" $verb "* ]]; then
    COMPREPLY=($(compgen -W "$(dayfly ps -q -a 2>/dev/null)" -- "$word"))
  elif [ "$verb" = config ]; then
    COMPREPLY=($(compgen -W show -- "$word"))
  fi
}
complete -o bashdefault -F _dayfly dayfly
