       IDENTIFICATION DIVISION.
       PROGRAM-ID. ORDER1.
      * A table, a redefinition, packed and binary numbers, a copybook.
       ENVIRONMENT DIVISION.
       INPUT-OUTPUT SECTION.
       FILE-CONTROL.
           SELECT OPTIONAL ORDERS ASSIGN TO "ORDERS"
               ORGANIZATION IS RELATIVE
               ACCESS MODE IS DYNAMIC
               RELATIVE KEY IS WK-NUMBER.
       DATA DIVISION.
       FILE SECTION.
       FD ORDERS.
       01 ORDER-REC PIC X(80).
       WORKING-STORAGE SECTION.
       01 WK-NUMBER PIC 9(8).
       LINKAGE SECTION.
       01 LK-HEAD.
           COPY CUSTOMER.
           05 LK-DAY PIC 9(8).
           05 LK-DAY-PARTS REDEFINES LK-DAY.
               10 LK-YEAR PIC 9(4).
               10 LK-MONTH PIC 99.
               10 FILLER PIC 99.
           05 LK-LINES PIC S9(4) COMP.
       01 LK-BODY.
           05 LK-COUNT PIC 9(3) COMP-5.
           05 LK-LINE OCCURS 1 TO 20 TIMES DEPENDING ON LK-COUNT.
               10 LK-ITEM PIC X(8).
               10 LK-PRICE PIC S9(7)V99 COMP-3.
               10 LK-QUANTITY PIC S9(5) SIGN IS LEADING SEPARATE.
       01 LK-TOTAL PIC ZZZ,ZZ9.99.
       PROCEDURE DIVISION USING LK-HEAD LK-BODY LK-TOTAL.
       MAIN.
           MOVE 1 TO WK-NUMBER.
           OPEN I-O ORDERS.
           CLOSE ORDERS.
           GOBACK.
