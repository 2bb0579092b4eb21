*> Runs a script of operations on one file with LINAGE and prints what came of each: the oracle.
*> LINAGE is what the line of the script says, so it changes from statement to statement; the four
*> digits behind it are FOOTING, TOP and BOTTOM, of which 9 stands for -1.
identification division.
program-id. ORACLE.
environment division.
input-output section.
file-control.
    select F assign to FNAME organization line sequential
    file status FS.
data division.
file section.
fd F linage is L-NUMBER lines @FOOTING@ lines at top TOP-LINES lines at bottom BOTTOM-LINES.
01 R pic x(8).
working-storage section.
01 FS pic xx value "--".
01 FNAME pic x(60) value spaces.
01 TOP-LINES pic s9 value 0.
01 BOTTOM-LINES pic s9 value 0.
01 ENDED pic 9(4) value 0.
01 COUNTER pic 9(4) value 0.
01 L.
   05 L-VERB pic xx.
   05 filler pic x.
   05 L-KEY pic 9.
   05 filler pic x(7).
   05 L-LEN pic 9(4).
   05 filler pic x.
   05 L-NUMBER pic 9(4).
   05 filler pic x.
   05 filler pic x.
   05 L-FOOT pic 9.
   05 L-TOP pic 9.
   05 L-BOTTOM pic 9.
   05 filler pic x.
   05 L-REC pic x(40).
procedure division.
main.
    accept FNAME
    perform forever
        accept L
        if L-VERB = "ZZ" stop run end-if
        move L-REC to R
        move 0 to ENDED
        move L-TOP to TOP-LINES
        if L-TOP = 9 move -1 to TOP-LINES end-if
        move L-BOTTOM to BOTTOM-LINES
        if L-BOTTOM = 9 move -1 to BOTTOM-LINES end-if
        move "--" to FS
        evaluate L-VERB also L-KEY
        when "NM" also any move L-REC to FNAME move 0 to linage-counter
        when "OI" also any open input F
        when "OO" also any open output F
        when "OE" also any open extend F
        when "CL" also any close F
        when "RN" also any read F next
        when "WR" also 0 write R
        when "WB" also 0 write R before advancing L-LEN lines
        when "WA" also 0 write R after advancing L-LEN lines
        when "WP" also 0 write R before advancing page
        when "WQ" also 0 write R after advancing page
        when "WR" also 1
            write R eop move 1 to ENDED not eop move 2 to ENDED end-write
        when "WB" also 1
            write R before advancing L-LEN lines
                eop move 1 to ENDED not eop move 2 to ENDED end-write
        when "WA" also 1
            write R after advancing L-LEN lines
                eop move 1 to ENDED not eop move 2 to ENDED end-write
        when "WP" also 1
            write R before advancing page
                eop move 1 to ENDED not eop move 2 to ENDED end-write
        when "WQ" also 1
            write R after advancing page
                eop move 1 to ENDED not eop move 2 to ENDED end-write
        end-evaluate
        move linage-counter to COUNTER
        display FS " " COUNTER " " ENDED " " R
    end-perform.
