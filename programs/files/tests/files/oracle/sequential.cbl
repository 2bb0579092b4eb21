*> Runs a script of operations on one sequential file and prints what came of each: the oracle.
identification division.
program-id. ORACLE.
environment division.
input-output section.
file-control.
    select @OPTIONAL@ F assign to FNAME organization sequential
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
        when "WR" write R
        when "WB" write R before advancing L-LEN lines
        when "WA" write R after advancing L-LEN lines
        when "WP" write R before advancing page
        when "WQ" write R after advancing page
        when "RW" rewrite R
        when "CN" close F no rewind
        when "CU" close F unit
        when "UN" unlock F
        when "DF" delete file F
        end-evaluate
        inspect R converting x"0A0D00FF" to "~^!?"
        display FS " " RK " " D-LEN " " R
    end-perform.
