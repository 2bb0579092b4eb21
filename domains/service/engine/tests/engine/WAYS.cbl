      *> Counts its calls in its memory and in the store, then ends in
      *> the way that it is told.
       IDENTIFICATION DIVISION.
       PROGRAM-ID. WAYS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       COPY "TSUGI.cpy".
       01  CALLS                  PIC 9(4) VALUE 0.
       01  ADD-ONE                PIC X(80) VALUE
           "update counter set value = value + 1 where name = 'n'".
       LINKAGE SECTION.
       01  WAY                    PIC X(10).
       01  TOLD                   PIC 9(4).
       PROCEDURE DIVISION USING WAY TOLD.
       MAIN.
           ADD 1 TO CALLS
           CALL "TSUGISQL" USING TSUGI-RESULT ADD-ONE
           IF NOT TSUGI-DONE
               CALL "TSUGIABORT" USING TSUGI-TEXT
           END-IF
           EVALUATE WAY
               WHEN "abort"
                   CALL "TSUGIABORT" USING "no money"
               WHEN "stop"
                   STOP RUN 7
               WHEN "crash"
                   CALL "raise" USING BY VALUE 11
               WHEN "loop"
                   PERFORM UNTIL 1 = 2
                       CONTINUE
                   END-PERFORM
               WHEN "stays"
                   DISPLAY "in the middle"
                   PERFORM UNTIL 1 = 2
                       CONTINUE
                   END-PERFORM
               WHEN "flood"
                   PERFORM UNTIL 1 = 2
                       DISPLAY "a line of many"
                   END-PERFORM
           END-EVALUATE
           MOVE CALLS TO TOLD
           GOBACK.
