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
01 FS pic xx value "--".
01 RK pic 9(4) value 0.
01 D-LEN pic 9(4) value 0.
01 FNAME pic x(60) value spaces.
01 L.
   05 L-VERB pic xx.
   05 filler pic x.
   05 L-START.
      10 L-KEY pic 9.
      10 filler pic x.
      10 L-REL pic xx.
      10 filler pic x.
      10 L-LONG pic xx.
   05 filler pic x.
   05 L-LEN pic 9(4).
   05 filler pic x.
   05 L-NUMBER pic 9(4).
   05 filler pic x.
   05 L-DEP pic 9(4).
   05 filler pic x.
   05 L-REC pic x(40).
procedure division.
main.
    accept FNAME
    perform forever
        accept L
        if L-VERB = "ZZ" stop run end-if
        inspect L-REC converting "~^!?" to x"0A0D00FF"
        move L-REC to R
        move L-NUMBER to RK
        move L-DEP to D-LEN
        move "--" to FS
        evaluate L-VERB
        when "NM" move L-REC to FNAME
        when "OI" open input F
        when "OO" open output F
        when "OB" open i-o F
        when "OE" open extend F
        when "CL" close F
        when "CK" close F with lock
        when "RN" read F next
        when "WR" write R
        when "RW" rewrite R
        when "CN" close F no rewind
        when "CU" close F unit
        when "UN" unlock F
        when "DF" delete file F
        end-evaluate
        inspect R converting x"0A0D00FF" to "~^!?"
        display FS " " RK " " D-LEN " " R
    end-perform.
