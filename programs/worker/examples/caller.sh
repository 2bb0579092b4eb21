#!/bin/sh
# A service that calls another one, in shell: it adds one to the counter n, calls the service that
# the body names with the rest of the body, and replies the code of that and what it has answered.
# What the other one does is part of this call; where it fails it is undone alone, and this one goes
# on.
#
# As counter.sh beside it, it takes lines as tsugi writes them, and words of letters, digits and
# hyphens.
set -eu

# What stands behind a member in the line that was heard.
number() { printf '%s\n' "$line" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
texts() { printf '%s\n' "$line" | sed -n 's/.*"parameters":\["\([A-Za-z0-9 -]*\)"\].*/\1/p'; }

run() {
  turn=$(number turn)
  body=$(texts)
  service=${body%% *} rest=${body#* }
  add="{\"waits\":\"no\",\"do\":{\"sql\":{\"text\":\"$ADD\"}}}"
  call="{\"do\":{\"call\":{\"service\":\"$service\",\"body\":[\"$rest\"]}}}"
  printf '{"ask":{"turn":%s,"operations":[%s,%s]}}\n' "$turn" "$add" "$call"
  # A call that is begun ahead may come before the answer; it waits for its turn.
  while read -r line; do
    case $line in
    '{"begin":'*) ahead="$ahead$line
" ;;
    '{"leave":'*) leaving=yes ;;
    *) break ;;
    esac
  done
  case $line in
  *'"reply":'*) told="00 $(texts)" ;;
  *) told="$(number code) $(printf '%s\n' "$line" | sed -n 's/.*"text":"\([^"\\]*\).*/\1/p')" ;;
  esac
  printf '{"done":{"turn":%s,"replies":[{"parameters":["%s"]}]}}\n' "$turn" "$told"
}

ADD="update counter set value = value + 1 where name = 'n'"

printf '{"hello":{"versions":{"lowest":1,"highest":1},"pid":%s,"runs":"command"}}\n' "$$"
read -r line # The welcome: limits, group, node, services.
printf '{"ready":{}}\n'

ahead= leaving=
while :; do
  if [ -n "$ahead" ]; then
    line=${ahead%%"
"*}
    ahead=${ahead#*"
"}
  elif [ -n "$leaving" ] || ! read -r line; then
    exit 0
  fi
  case $line in
  '{"begin":'*) run ;;
  '{"leave":'*) leaving=yes ;;
  esac
done
