#!/bin/sh
# mfmonitor.ksh REGION [LISTENER]: the report's monitor of a region, over mdump. It says which of
# the three it is, and ends with 1: the directory is down, the listener is stopped, the listener is
# missing (the printed script took a missing one for well).

REGION=${1:?mfmonitor.ksh REGION [LISTENER]}
LISTENER=${2:-Web Services}
LOG=${MFLOG:-${TMPDIR:-/tmp}/$REGION.cntl.log}
MDUMP=${COBDIR:+$COBDIR/bin/}mdump

"$MDUMP" localhost "$REGION" 2> /dev/null | awk -v listener="CN: $LISTENER" '
    /SERVER_DOWN/ { down = 1 }
    /^CN: /       { its = ($0 == listener); found += its }
    its && /mfListenerStatus:/ { started = /Started/ }
    END { exit down ? 3 : !found ? 2 : !started }'

case $? in
0)  echo 0; exit 0 ;;
3)  echo "**** MF mfds Down ****" >> "$LOG" ;;
2)  echo "**** MF Service Failed **** $LISTENER is missing" >> "$LOG" ;;
*)  echo "**** MF Service Failed **** $LISTENER is stopped" >> "$LOG" ;;
esac
exit 1
