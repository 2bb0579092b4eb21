*> Runs a script of operations on one relative file and prints what came of each: the oracle.
identification division.
program-id. ORACLE.
environment division.
input-output section.
file-control.
    select @OPTIONAL@ F assign to FNAME organization relative
    access mode is @ACCESS@
    relative key is RK
    file status FS.
data division.
file section.
fd F @SIZE@.
01 R pic x(8).
working-storage section.
copy "script.cpy".
        when "OB" open i-o F
        when "OE" open extend F
        when "CL" close F
        when "CK" close F with lock
        when "RN" read F next
        when "RP" read F previous
        when "RK" perform read-key
        when "ST" perform start-key
        when "WR" write R
        when "RW" rewrite R
        when "DE" delete F
        when "CN" close F no rewind
        when "CU" close F unit
        when "UN" unlock F
        when "DF" delete file F
        end-evaluate
        inspect R converting x"0A0D00FF" to "~^!?"
        display FS " " RK " " D-LEN " " R
    end-perform.
read-key.
    read F.
start-key.
    evaluate L-START
    when "0 EQ 00" start F key is = RK
    when "0 GT 00" start F key is > RK
    when "0 GE 00" start F key is >= RK
    when "0 LT 00" start F key is < RK
    when "0 LE 00" start F key is <= RK
    when "0 FI 00" start F first
    when "0 LA 00" start F last
    end-evaluate.
