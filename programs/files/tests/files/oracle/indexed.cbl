*> Runs a script of operations on one indexed file and prints what came of each: the oracle.
identification division.
program-id. ORACLE.
environment division.
input-output section.
file-control.
    select @OPTIONAL@ F assign to FNAME organization indexed
    access mode is @ACCESS@
    record key is K
    alternate record key is A with duplicates
    alternate record key is U source is U1 U2 @U@
    alternate record key is S with duplicates suppress when space
    file status FS.
data division.
file section.
fd F record is varying in size from 7 to 16 depending on D-LEN.
01 R.
   05 K pic xx.
   05 U1 pic x.
   05 A pic xx.
   05 U2 pic x.
   05 S pic x.
   05 filler pic x(9).
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
    evaluate L-KEY
    when 0 read F key is K
    when 1 read F key is A
    when 2 read F key is U
    when 3 read F key is S
    end-evaluate.
start-key.
    evaluate L-START
    when "0 EQ 00" start F key is = K
    when "0 EQ LL" start F key is = K with length L-LEN
    when "0 GT 00" start F key is > K
    when "0 GT LL" start F key is > K with length L-LEN
    when "0 GE 00" start F key is >= K
    when "0 GE LL" start F key is >= K with length L-LEN
    when "0 LT 00" start F key is < K
    when "0 LT LL" start F key is < K with length L-LEN
    when "0 LE 00" start F key is <= K
    when "0 LE LL" start F key is <= K with length L-LEN
    when "1 EQ 00" start F key is = A
    when "1 EQ LL" start F key is = A with length L-LEN
    when "1 GT 00" start F key is > A
    when "1 GT LL" start F key is > A with length L-LEN
    when "1 GE 00" start F key is >= A
    when "1 GE LL" start F key is >= A with length L-LEN
    when "1 LT 00" start F key is < A
    when "1 LT LL" start F key is < A with length L-LEN
    when "1 LE 00" start F key is <= A
    when "1 LE LL" start F key is <= A with length L-LEN
    when "2 EQ 00" start F key is = U
    when "2 EQ LL" start F key is = U with length L-LEN
    when "2 GT 00" start F key is > U
    when "2 GT LL" start F key is > U with length L-LEN
    when "2 GE 00" start F key is >= U
    when "2 GE LL" start F key is >= U with length L-LEN
    when "2 LT 00" start F key is < U
    when "2 LT LL" start F key is < U with length L-LEN
    when "2 LE 00" start F key is <= U
    when "2 LE LL" start F key is <= U with length L-LEN
    when "3 EQ 00" start F key is = S
    when "3 EQ LL" start F key is = S with length L-LEN
    when "3 GT 00" start F key is > S
    when "3 GT LL" start F key is > S with length L-LEN
    when "3 GE 00" start F key is >= S
    when "3 GE LL" start F key is >= S with length L-LEN
    when "3 LT 00" start F key is < S
    when "3 LT LL" start F key is < S with length L-LEN
    when "3 LE 00" start F key is <= S
    when "3 LE LL" start F key is <= S with length L-LEN
    when "0 FI 00" start F first
    when "0 LA 00" start F last
    end-evaluate.
