      *> Counts in the tables of its store: the program interface in
      *> COBOL. Compile: cobc -m -I copybooks -fcallfh=tsugi_file_handler
       IDENTIFICATION DIVISION.
       PROGRAM-ID. COUNTER.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       COPY "TSUGI.cpy".
       01  ADD-ONE                PIC X(80) VALUE
           "update counter set value = value + 1 where name = ?1".
       01  LOOK                   PIC X(80) VALUE
           "select value from counter where name = ?1".
       LINKAGE SECTION.
       01  COUNTER-NAME           PIC X(20).
       01  COUNTER-VALUE          PIC 9(10).
       PROCEDURE DIVISION USING COUNTER-NAME COUNTER-VALUE.
       MAIN.
           CALL "TSUGISQL" USING TSUGI-RESULT ADD-ONE COUNTER-NAME
           IF NOT TSUGI-DONE
               PERFORM GIVE-UP
           END-IF
           IF TSUGI-ROWS = 0
               CALL "TSUGIABORT" USING "there is no such counter"
               GOBACK
           END-IF
           CALL "TSUGISQL" USING TSUGI-RESULT LOOK COUNTER-NAME
           IF NOT TSUGI-DONE
               PERFORM GIVE-UP
           END-IF
           CALL "TSUGIROW" USING TSUGI-RESULT COUNTER-VALUE
           IF NOT TSUGI-DONE
               PERFORM GIVE-UP
           END-IF
           GOBACK.
       GIVE-UP.
           CALL "TSUGILOG" USING 3 TSUGI-TEXT
           CALL "TSUGIABORT" USING TSUGI-TEXT
           GOBACK.
