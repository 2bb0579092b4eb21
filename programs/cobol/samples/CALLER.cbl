      *> Calls another service: what that one does is part of this
      *> call. Where it fails, what it did is undone alone, and this
      *> program goes on.
      *> Compile: cobc -m -I copybooks -fcallfh=tsugi_file_handler
       IDENTIFICATION DIVISION.
       PROGRAM-ID. CALLER.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       COPY "TSUGI.cpy".
       01  ADD-ONE                PIC X(80) VALUE
           "update counter set value = value + 1 where name = 'n'".
       LINKAGE SECTION.
       01  SERVICE-NAME           PIC X(8).
       01  BODY                   PIC X(20).
       01  CODE-TOLD              PIC XX.
       01  TEXT-TOLD              PIC X(80).
       PROCEDURE DIVISION USING SERVICE-NAME BODY CODE-TOLD
                                TEXT-TOLD.
       MAIN.
           CALL "TSUGISQL" USING TSUGI-RESULT ADD-ONE
           IF NOT TSUGI-DONE
               CALL "TSUGIABORT" USING TSUGI-TEXT
               GOBACK
           END-IF
      *>   The reply stands in BODY.
           CALL "TSUGICALL" USING TSUGI-RESULT SERVICE-NAME BODY
           MOVE TSUGI-CODE TO CODE-TOLD
           IF TSUGI-DONE
               MOVE BODY TO TEXT-TOLD
           ELSE
               MOVE TSUGI-TEXT TO TEXT-TOLD
           END-IF
           GOBACK.
