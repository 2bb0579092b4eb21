*> What every driver has: a line of the script, and how it is read; each has its own verbs behind it.
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
