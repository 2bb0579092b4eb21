identification division.
program-id. WIDE.
environment division.
input-output section.
file-control.
    select ORDERS assign to "orders.dat" organization indexed access dynamic
      record key ORDER-ID
      alternate record key CUSTOMER with duplicates
      file status ORDER-STATUS.
    select optional NOTES assign to NOTE-NAME organization sequential
      file status NOTE-STATUS.
    select MISSING assign to "orders.dat" organization indexed access sequential
      record key MISSING-ID
      alternate record key MISSING-CUSTOMER with duplicates.
data division.
file section.
fd ORDERS external.
01 ORDER-RECORD.
   05 ORDER-ID pic 9(4).
   05 CUSTOMER pic x(6).
   05 AMOUNT pic s9(7)v99 comp-3.
   05 filler pic x(5).
fd NOTES record varying from 4 to 30 depending on NOTE-LENGTH.
01 NOTE-RECORD.
   05 NOTE-KIND pic x(4).
   05 NOTE-TEXT pic x(26).
fd MISSING.
01 MISSING-RECORD.
   05 MISSING-ID pic 9(4).
   05 MISSING-CUSTOMER pic x(6).
   05 filler pic x(10).
working-storage section.
01 ORDER-STATUS pic xx value "--".
01 NOTE-STATUS pic xx value "--".
01 NOTE-NAME pic x(20) value "notes.dat".
01 NOTE-LENGTH pic 99 value 0.
01 INTO-IT pic x(20).
01 I pic 99.
01 SHOWN-AMOUNT pic -(7)9.99.
procedure division.
declaratives.
on-input section.
    use after standard error procedure on input.
on-input-1.
    display "USE INPUT".
on-missing section.
    use after standard error procedure on MISSING.
on-missing-1.
    display "USE MISSING".
end declaratives.
main section.
    open input MISSING
    open input ORDERS
    display "open missing " ORDER-STATUS
    open output ORDERS
    display "open output " ORDER-STATUS
    perform varying I from 1 by 1 until I > 6
      move spaces to ORDER-RECORD
      compute ORDER-ID = I * 10
      if I > 3 move "second" to CUSTOMER else move "first" to CUSTOMER end-if
      compute AMOUNT = I * 1.25 - 4
      write ORDER-RECORD invalid key display "?" not invalid key display "w" no advancing
    end-perform
    display " "
    move 10 to ORDER-ID
    write ORDER-RECORD invalid key display "twice " ORDER-STATUS end-write
    close ORDERS
    display "close " ORDER-STATUS
    close ORDERS
    display "close again " ORDER-STATUS
    open i-o ORDERS
    move "second" to CUSTOMER
    start ORDERS key = CUSTOMER invalid key display "?" not invalid key display "started"
    end-start
    perform 4 times
      read ORDERS next into INTO-IT
        at end display "end " ORDER-STATUS
        not at end
          move AMOUNT to SHOWN-AMOUNT
          display ORDER-ID " " CUSTOMER " " SHOWN-AMOUNT " " INTO-IT(1:10)
      end-read
    end-perform
    move 25 to ORDER-ID
    read ORDERS invalid key display "not found " ORDER-STATUS end-read
    start ORDERS key is >= ORDER-ID end-start
    read ORDERS next end-read
    display "at least 25: " ORDER-ID
    start ORDERS key is < ORDER-ID end-start
    read ORDERS previous end-read
    display "before: " ORDER-ID
    move 99.5 to AMOUNT
    rewrite ORDER-RECORD end-rewrite
    display "rewrite " ORDER-STATUS
    delete ORDERS record end-delete
    display "delete " ORDER-STATUS
    delete ORDERS record invalid key display "gone " ORDER-STATUS end-delete
    call "INNER"
    close ORDERS
    open extend NOTES
    display "notes " NOTE-STATUS
    move "n1" to NOTE-KIND
    move "a note of some length" to NOTE-TEXT
    move 15 to NOTE-LENGTH
    write NOTE-RECORD
    move 30 to NOTE-LENGTH
    write NOTE-RECORD
    move 3 to NOTE-LENGTH
    write NOTE-RECORD
    display "too short " NOTE-STATUS
    close NOTES
    open input NOTES
    perform 3 times
      move 0 to NOTE-LENGTH
      move spaces to NOTE-RECORD
      read NOTES at end display "end " NOTE-STATUS not at end
        display NOTE-STATUS " " NOTE-LENGTH " " NOTE-RECORD(1:NOTE-LENGTH) "|"
      end-read
    end-perform
    read NOTES
    display "behind the end " NOTE-STATUS
    write NOTE-RECORD
    display "not for writing " NOTE-STATUS
    close NOTES
    move "none.dat" to NOTE-NAME
    goback.
identification division.
program-id. INNER.
environment division.
input-output section.
file-control.
    select ORDERS assign to "orders.dat" organization indexed access dynamic
      record key ORDER-ID
      alternate record key CUSTOMER with duplicates
      file status ORDER-STATUS.
data division.
file section.
fd ORDERS external.
01 ORDER-RECORD.
   05 ORDER-ID pic 9(4).
   05 CUSTOMER pic x(6).
   05 AMOUNT pic s9(7)v99 comp-3.
   05 filler pic x(5).
working-storage section.
01 ORDER-STATUS pic xx value "--".
procedure division.
    move 10 to ORDER-ID
    read ORDERS end-read
    display "inner " ORDER-STATUS " " CUSTOMER
    goback.
end program INNER.
end program WIDE.
