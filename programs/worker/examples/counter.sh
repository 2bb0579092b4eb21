#!/bin/sh
# A service of tsugi in shell: it adds one to the counter that the body names and replies the value.
#
# It speaks lines, one JSON object each, on its standard input and output. A shell cannot read JSON
# in general: this takes lines as tsugi writes them, one member after the other, and a name of
# letters and digits only. What it writes to standard error goes to the log of its worker.
set -eu

# What stands behind a member in the line that was heard.
number() { printf '%s\n' "$line" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
parameter() { printf '%s\n' "$line" | sed -n 's/.*"parameters":\["\([A-Za-z0-9]*\)"\].*/\1/p'; }

abort() {
  printf '{"failed":{"turn":%s,"class":"abort","code":1,"text":"%s"}}\n' "$turn" "$1"
}

add() {
  turn=$(number turn)
  name=$(parameter)
  if [ -z "$name" ]; then
    abort "a name has letters and digits"
    return
  fi
  sql="update counter set value = value + ?1 where name = ?2 returning value"
  printf '{"ask":{"turn":%s,"operations":[{"do":{"sql":{"text":"%s","rows":[[1,"%s"]]}}}]}}\n' \
    "$turn" "$sql" "$name"
  # A call that is begun ahead may come before the answer; it waits for its turn.
  while read -r line; do
    case $line in
    '{"begin":'*) ahead="$ahead$line
" ;;
    '{"leave":'*) leaving=yes ;;
    *) break ;;
    esac
  done
  value=$(printf '%s\n' "$line" | sed -n 's/.*"rows":\[\[\(-\{0,1\}[0-9]*\)\]\].*/\1/p')
  if [ -z "$value" ]; then
    abort "there is no such counter"
    return
  fi
  printf '{"done":{"turn":%s,"replies":[{"parameters":["%s"]}]}}\n' "$turn" "$value"
}

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
  '{"begin":'*) add ;;
  '{"leave":'*) leaving=yes ;;
  esac
done
